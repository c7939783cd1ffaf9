import { randomBytes } from 'node:crypto';
import { profileHash } from '@certmill/domain';
import { encodeReceivedChunk, encodeVerdict } from '@certmill/events';
import type { SimulatedDevice } from '../device-request.js';
import { benchProfile } from './bench-pools.js';

/** What sign is given of one chunk: the requests as ingest took them in, and validate's verdict. */
export interface BenchChunk {
  readonly received: Uint8Array;
  readonly verdict: Uint8Array;
}

/** One chunk of these devices, all accepted. */
export function benchChunk(
  issuer: string,
  serialKeyId: number,
  devices: readonly SimulatedDevice[],
): BenchChunk {
  const nowMs = Date.now();
  const deviceIds = devices.map(({ deviceId }) => deviceId);
  const none = devices.map(() => 0);
  const texts = devices.map(() => '');
  const received = encodeReceivedChunk({
    tenant: 'bench',
    orderId: 'bench',
    batchId: randomBytes(13).toString('hex'),
    chunkNumber: 0,
    firstIndex: 0,
    lane: 'bulk',
    receivedAtMs: nowMs,
    signBeforeMs: nowMs + 3_600_000,
    profileHash: profileHash(benchProfile),
    issuer,
    serialKeyId,
    requestsDer: Buffer.concat(devices.map(({ csrDer }) => csrDer)),
    requestLengths: devices.map(({ csrDer }) => csrDer.length),
    deviceIds,
    sources: texts,
    rejections: none,
    rejectionDetails: texts,
  });
  const verdict = encodeVerdict({
    codes: none,
    details: texts,
    deviceIds,
    udids: Buffer.concat(devices.map(({ udid }) => Buffer.from(udid, 'hex'))),
    valuesPerRequest: 1,
    values: deviceIds.map((id) => Buffer.from(id)),
  });
  return { received, verdict };
}
