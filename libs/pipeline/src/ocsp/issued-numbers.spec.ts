import type { ChunkRef } from '@certmill/domain';
import { encodeIssuedChunk, encodeReceivedChunk, encodeVerdict } from '@certmill/events';
import { IssuedNumbers } from './issued-numbers.js';

const batchId = '00112233445566778899aabbcc';
const chunkOf = (chunkNumber: number): ChunkRef => ({ tenant: 'acme', batchId, chunkNumber });
const serialNumber = Buffer.alloc(20, 1);

/** A chunk of which nothing was issued. */
const segment = encodeIssuedChunk({
  received: encodeReceivedChunk({
    ...{ tenant: 'acme', orderId: 'o1', batchId, chunkNumber: 0, firstIndex: 0, lane: 'bulk' },
    ...{ receivedAtMs: 1, signBeforeMs: 2, profileHash: 'ab'.repeat(32), issuer: 'dev' },
    ...{ serialKeyId: 1, requestsDer: Buffer.of(1), requestLengths: [1] },
    ...{ deviceIds: [''], sources: [''], rejections: [0], rejectionDetails: [''] },
  }),
  verdict: encodeVerdict({
    ...{ codes: [1], details: [''], deviceIds: [''], udids: new Uint8Array(32) },
    ...{ valuesPerRequest: 0, values: [] },
  }),
  ...{ certificatesDer: new Uint8Array(), certificateLengths: [0], endedBy: 0, endedDetail: '' },
});

/** Reads of terminal records, by chunk. */
function readsOf(find: (chunk: ChunkRef) => Uint8Array | undefined) {
  const reads: number[] = [];
  const issued = new IssuedNumbers({
    getSegment(chunk) {
      reads.push(chunk.chunkNumber);
      return Promise.resolve(find(chunk));
    },
  });
  const ask = (chunkNumber: number) => issued.issuerOf(chunkOf(chunkNumber), 0, serialNumber);
  return { reads, ask };
}

describe('the terminal record of a chunk', () => {
  test('is read once for all who ask at a time, and not again', async () => {
    const { reads, ask } = readsOf(() => segment);
    await Promise.all(Array.from({ length: 100 }, () => ask(7)));
    await ask(7);
    expect(reads).toEqual([7]);
  });

  test('that is not there yet is looked for again', async () => {
    const found: Uint8Array[] = [];
    const { reads, ask } = readsOf(() => found[0]);
    await ask(7);
    found.push(segment);
    await ask(7);
    await ask(7);
    expect(reads).toEqual([7, 7]);
  });

  test('is forgotten when 1,024 others were asked for since', async () => {
    const { reads, ask } = readsOf(() => segment);
    for (let chunk = 0; chunk < 1_024; chunk += 1) await ask(chunk);
    await ask(0);
    await ask(1_024);
    reads.length = 0;
    await ask(0);
    expect(reads).toEqual([]);
    await ask(1);
    expect(reads).toEqual([1]);
  });

  test('that cannot be read is read again by who asks next', async () => {
    const { reads, ask } = readsOf(() => Buffer.of(0xff));
    await expect(ask(7)).rejects.toMatchObject({ code: 'FAULT_EVENT_UNDECODABLE' });
    await expect(ask(7)).rejects.toMatchObject({ code: 'FAULT_EVENT_UNDECODABLE' });
    expect(reads).toEqual([7, 7]);
  });
});
