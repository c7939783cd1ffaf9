import { CertmillError } from '@certmill/domain';
import type { certIdHashes } from './ocsp-issuers.js';

/** Of one certificate: what of a BasicOCSPResponse stands before its certificates, by CertID hash. */
export type PresignedPair = Readonly<Record<(typeof certIdHashes)[number], Uint8Array>>;

const formatVersion = 1;
/** Version, and the length of the first response in two octets. */
const headerBytes = 3;

/** Each pair in a run of octets, all in one buffer: the header, and the two responses. */
export function packPairs(
  pairs: readonly (PresignedPair | undefined)[],
): (Uint8Array<ArrayBuffer> | undefined)[] {
  const total = pairs.reduce((sum, pair) => sum + (pair === undefined ? 0 : bytesOf(pair)), 0);
  const packed = new Uint8Array(total);
  let at = 0;
  return pairs.map((pair) => {
    if (pair === undefined) return undefined;
    const { sha1, sha256 } = pair;
    const start = at;
    packed.set([formatVersion, sha1.length >>> 8, sha1.length], start);
    packed.set(sha1, start + headerBytes);
    packed.set(sha256, start + headerBytes + sha1.length);
    at += bytesOf(pair);
    return packed.subarray(start, at);
  });
}

function bytesOf({ sha1, sha256 }: PresignedPair): number {
  return headerBytes + sha1.length + sha256.length;
}

/** The response of a packed pair. A view. Faults: FAULT_STORE_CORRUPT. */
export function responseInPair(
  packed: Uint8Array,
  hash: (typeof certIdHashes)[number],
): Uint8Array {
  const [version, high = 0, low = 0] = packed;
  const middle = headerBytes + high * 0x100 + low;
  if (version !== formatVersion || middle > packed.length) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a pair of OCSP responses is damaged');
  }
  return hash === 'sha1' ? packed.subarray(headerBytes, middle) : packed.subarray(middle);
}
