import {
  leastRequestsPerChunk,
  maxChunkBytes,
  maxDeviceIdBytes,
  maxRecordBytes,
  requestBounds,
} from '@certmill/domain';
import { encodeIssuedChunk, encodeReceivedChunk, encodeVerdict, topics } from '@certmill/events';
import { createHops, hopKeysOf } from '../hop-seal.js';
import { ChunkPacker } from './pack-chunks.js';

describe('the largest chunk that ingest makes', () => {
  it('fits a record with its verdict and its certificates, at every bound', () => {
    const count = leastRequestsPerChunk;
    const packer = new ChunkPacker(count);
    const der = new Uint8Array(maxChunkBytes / count);
    for (let i = 0; i < count; i++) {
      const deviceId = String(i).padStart(maxDeviceIdBytes, 'd');
      // A path of an archive may be of any length.
      packer.add({ der, deviceId, source: '\u20ac'.repeat(100_000) });
    }
    const packed = packer.take();
    if (packed === undefined) throw new TypeError('nothing was packed');
    for (const source of packed.sources) {
      expect(Buffer.byteLength(source)).toBeLessThanOrEqual(requestBounds.source);
    }
    const chunk = {
      ...packed,
      tenant: 't'.repeat(63),
      orderId: 'o'.repeat(63),
      batchId: 'f'.repeat(26),
      chunkNumber: 65_535,
      firstIndex: 65_535 * count,
      lane: 'bulk' as const,
      receivedAtMs: Date.now(),
      signBeforeMs: Date.now(),
      profileHash: 'ab'.repeat(32),
      issuer: 'i'.repeat(63),
      serialKeyId: 127,
    };
    const { certificate, certificateAndValues } = requestBounds;
    // Most octets and most entries: the values of 64 slots.
    const slots = 64;
    const perValue = Math.floor((certificateAndValues - certificate) / slots);
    const verdict = encodeVerdict({
      codes: Array<number>(count).fill(0),
      details: Array<string>(count).fill(''),
      deviceIds: packed.deviceIds,
      udids: new Uint8Array(count * 32),
      valuesPerRequest: slots,
      values: Array.from({ length: count * slots }, () => new Uint8Array(perValue)),
    });
    const segment = encodeIssuedChunk({
      received: encodeReceivedChunk(chunk),
      verdict,
      certificatesDer: new Uint8Array(count * certificate),
      certificateLengths: Array<number>(count).fill(certificate),
      endedBy: 0,
      endedDetail: '',
    });
    const hops = createHops(hopKeysOf(new Uint8Array(32)), { nowMs: () => 0 });
    const [topic, record] = hops.issued.seal(chunk, segment);
    expect(topic).toBe(topics.certificatesIssued.bulk);
    const headers = Object.entries(record.headers).join().length + record.key.length;
    expect(record.value.length + 2 * headers + 1_024).toBeLessThan(maxRecordBytes);
  });
});

describe('chunks', () => {
  it.each([256, 700, 1_024])('are cut at the %d requests that their order says', (most) => {
    const packer = new ChunkPacker(most);
    const counts: number[] = [];
    for (let i = 0; i < 2_500; i++) {
      const full = packer.add({ der: new Uint8Array(3), deviceId: String(i), source: '' });
      if (full !== undefined) counts.push(full.requestLengths.length);
    }
    expect(new Set(counts)).toEqual(new Set([most]));
    expect(counts).toHaveLength(Math.ceil(2_500 / most) - 1);
  });
});
