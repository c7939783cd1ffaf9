import { packPairs, responseInPair, type PresignedPair } from './packed-pair.js';

function pairOf(text: string, repeated = 1): PresignedPair {
  const [sha1, sha256] = [`${text}-1`, `${text}-256`].map((each) =>
    Buffer.from(each.repeat(repeated)),
  );
  return { sha1: sha1 ?? Buffer.of(), sha256: sha256 ?? Buffer.of() };
}

test('each certificate has its two responses, and a rejected request none', () => {
  const pairs = [pairOf('a'), undefined, pairOf('b', 500)];
  const read = packPairs(pairs).map(
    (packed) =>
      packed && {
        sha1: Buffer.from(responseInPair(packed, 'sha1')),
        sha256: Buffer.from(responseInPair(packed, 'sha256')),
      },
  );
  expect(read).toEqual(pairs);
});

test('they have one buffer, which moves between threads as one', () => {
  const [first, second] = packPairs([pairOf('a'), pairOf('b')]);
  expect(first?.buffer).toBe(second?.buffer);
});

test('damage is told, and nothing outside of the pair is read', () => {
  const damaged = /is damaged/;
  const [packed = Buffer.of()] = packPairs([pairOf('a'), pairOf('b')]);
  const otherVersion = Uint8Array.from(packed);
  otherVersion[0] = 2;
  expect(() => responseInPair(otherVersion, 'sha1')).toThrow(damaged);
  expect(() => responseInPair(packed.subarray(0, 4), 'sha256')).toThrow(damaged);
  const tooLong = Uint8Array.from(packed);
  tooLong[1] = 1;
  expect(() => responseInPair(tooLong, 'sha1')).toThrow(damaged);
  expect(() => responseInPair(new Uint8Array(), 'sha1')).toThrow(damaged);
});
