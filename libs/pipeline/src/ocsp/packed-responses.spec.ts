import { packedResponse, packResponses, type PresignedPair } from './packed-responses.js';

function pairOf(text: string): PresignedPair {
  return { sha1: Buffer.from(`${text}-1`), sha256: Buffer.from(`${text}-256`) };
}

test('each certificate has its two responses, and a rejected request none', () => {
  const packed = packResponses([pairOf('a'), undefined, pairOf('b')]);
  const texts = [0, 1, 2, 3].map((place) =>
    (['sha1', 'sha256'] as const).map((hash) => {
      const response = packedResponse(packed, place, hash);
      return response && Buffer.from(response).toString();
    }),
  );
  expect(texts).toEqual([
    ['a-1', 'a-256'],
    [undefined, undefined],
    ['b-1', 'b-256'],
    [undefined, undefined],
  ]);
});

test('damage is told, and nothing outside of the document is read', () => {
  const packed = Buffer.from(packResponses([pairOf('a'), pairOf('b')]));
  const damaged = /is damaged/;
  const otherVersion = Buffer.from(packed);
  otherVersion[0] = 2;
  expect(() => packedResponse(otherVersion, 0, 'sha1')).toThrow(damaged);
  expect(() => packedResponse(packed.subarray(0, 20), 1, 'sha1')).toThrow(damaged);
  const farOffset = Buffer.from(packed);
  farOffset.writeUInt32BE(packed.length + 1, 8);
  expect(() => packedResponse(farOffset, 0, 'sha1')).toThrow(damaged);
  expect(() => packedResponse(new Uint8Array(), 0, 'sha1')).toThrow(damaged);
});
