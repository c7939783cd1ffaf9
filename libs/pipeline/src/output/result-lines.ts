import { pemEncode } from '@certmill/der';
import { serialNumberHexOf } from '../publish/find-certificates.js';
import type { Result } from '../publish/read-results.js';

/**
 * NDJSON of the certificates among the results: `{index, deviceId, serialNumber, certificate}`.
 * @param chunk where a download goes on; first in each line where it is given.
 */
export function certificateLinesOf(results: readonly Result[], chunk?: number): Buffer {
  let lines = '';
  for (const { index, deviceId, certificateDer } of results) {
    if (certificateDer === undefined) continue;
    const serialNumber = serialNumberHexOf(certificateDer);
    const certificate = pemEncode('CERTIFICATE', certificateDer);
    lines += `${JSON.stringify({ chunk, index, deviceId, serialNumber, certificate })}\n`;
  }
  return Buffer.from(lines);
}

/** NDJSON of the rejections among the results: `{index, source, deviceId, code, detail}`. */
export function rejectionLinesOf(results: readonly Result[], chunk?: number): Buffer {
  let lines = '';
  for (const { index, source, deviceId, rejection } of results) {
    if (rejection === undefined) continue;
    const { code, detail } = rejection;
    lines += `${JSON.stringify({ chunk, index, source, deviceId, code, detail })}\n`;
  }
  return Buffer.from(lines);
}
