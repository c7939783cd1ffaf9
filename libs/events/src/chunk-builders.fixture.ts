import type { ReceivedChunk, Verdict } from './chunks.js';

/** A chunk of `count` requests with some of everything; the same for the same arguments. */
export function aReceivedChunk(overrides: Partial<ReceivedChunk> = {}, count = 3): ReceivedChunk {
  const lengths = Array.from({ length: count }, (_, i) => (i === 1 ? 0 : 100 + i));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return {
    tenant: 'acme',
    orderId: 'spring-2026',
    batchId: '00112233445566778899aabbcc',
    chunkNumber: 7,
    firstIndex: 1_792,
    lane: 'bulk',
    receivedAtMs: 1_795_000_000_123,
    signBeforeMs: 1_795_086_400_123,
    profileHash: 'ab'.repeat(32),
    issuer: 'factory-ca-1',
    serialKeyId: 1,
    requestsDer: Uint8Array.from({ length: total }, (_, i) => (i * 7) % 251),
    requestLengths: lengths,
    deviceIds: Array.from({ length: count }, (_, i) =>
      i === 2 ? 'Ger\u00e4t-2' : `device-${String(i)}`,
    ),
    sources: Array.from({ length: count }, (_, i) => (i === 1 ? 'line 17' : '')),
    rejections: Array.from({ length: count }, (_, i) => (i === 1 ? 3 : 0)),
    rejectionDetails: Array.from({ length: count }, (_, i) => (i === 1 ? 'a private key' : '')),
    ...overrides,
  };
}

/** A verdict on such a chunk: every value column has an absent value. */
export function aVerdict(overrides: Partial<Verdict> = {}, count = 3): Verdict {
  return {
    codes: Array.from({ length: count }, (_, i) => (i === 1 ? 3 : 0)),
    details: Array.from({ length: count }, (_, i) => (i === 1 ? 'a private key' : '')),
    deviceIds: Array.from({ length: count }, (_, i) => `device-${String(i)}`),
    udids: Uint8Array.from({ length: count * 32 }, (_, i) => i % 256),
    valuesPerRequest: 2,
    values: Array.from({ length: count * 2 }, (_, i) => new Uint8Array(i % 3).fill(i)),
    ...overrides,
  };
}
