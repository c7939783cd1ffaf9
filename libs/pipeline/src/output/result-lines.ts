import { pemEncode } from '@certmill/der';
import { serialNumberOf } from '../publish/find-certificates.js';
import type { Result } from '../publish/read-results.js';

/** NDJSON of the certificates among the results: `{index, deviceId, serialNumber, certificate}`. */
export function certificateLinesOf(results: readonly Result[]): Buffer {
  let lines = '';
  for (const { index, deviceId, certificateDer } of results) {
    if (certificateDer === undefined) continue;
    const serialNumber = Buffer.from(serialNumberOf(certificateDer)).toString('hex');
    const certificate = pemEncode('CERTIFICATE', certificateDer);
    lines += `${JSON.stringify({ index, deviceId, serialNumber, certificate })}\n`;
  }
  return Buffer.from(lines);
}

/** NDJSON of the rejections among the results: `{index, source, deviceId, code, detail}`. */
export function rejectionLinesOf(results: readonly Result[]): Buffer {
  let lines = '';
  for (const { index, source, deviceId, rejection } of results) {
    if (rejection === undefined) continue;
    const { code, detail } = rejection;
    lines += `${JSON.stringify({ index, source, deviceId, code, detail })}\n`;
  }
  return Buffer.from(lines);
}
