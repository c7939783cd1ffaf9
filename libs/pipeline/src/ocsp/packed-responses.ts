import { encodeSequence, encodeTlv, contextConstructed } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import type { certIdHashes } from './ocsp-issuers.js';

/** Of one certificate: what of a BasicOCSPResponse stands before its certificates, by CertID hash. */
export type PresignedPair = Readonly<Record<(typeof certIdHashes)[number], Uint8Array>>;

const formatVersion = 1;
const headerBytes = 4;
/** Begin and end of the two responses of a certificate, from the first of which on all are packed. */
const offsetsBytes = 12;

/**
 * One document of a chunk's responses: version and count in 4 octets, per request three offsets
 * (begin, middle, end; all the same where it has no certificate), then the responses.
 */
export function packResponses(pairs: readonly (PresignedPair | undefined)[]): Uint8Array {
  const bodies = pairs.flatMap((pair) => (pair === undefined ? [] : [pair.sha1, pair.sha256]));
  const tableEnd = headerBytes + pairs.length * offsetsBytes;
  const total = bodies.reduce((sum, { length }) => sum + length, tableEnd);
  const packed = Buffer.allocUnsafeSlow(total);
  packed[0] = formatVersion;
  packed.writeUIntBE(pairs.length, 1, 3);
  let at = tableEnd;
  pairs.forEach((pair, i) => {
    const row = headerBytes + i * offsetsBytes;
    packed.writeUInt32BE(at, row);
    if (pair !== undefined) packed.set(pair.sha1, at);
    at += pair?.sha1.length ?? 0;
    packed.writeUInt32BE(at, row + 4);
    if (pair !== undefined) packed.set(pair.sha256, at);
    at += pair?.sha256.length ?? 0;
    packed.writeUInt32BE(at, row + 8);
  });
  return packed;
}

/**
 * The response at a place in the chunk; undefined where it has no certificate. A view.
 * Faults: FAULT_STORE_CORRUPT.
 */
export function packedResponse(
  packed: Uint8Array,
  place: number,
  hash: (typeof certIdHashes)[number],
): Uint8Array | undefined {
  const view = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  const row = headerBytes + place * offsetsBytes + (hash === 'sha1' ? 0 : 4);
  const isThere = view.length >= headerBytes && place < view.readUIntBE(1, 3);
  if (view[0] !== formatVersion || (isThere && row + 8 > view.length)) throw damaged();
  if (!isThere) return undefined;
  const [start, end] = [view.readUInt32BE(row), view.readUInt32BE(row + 4)];
  if (start > end || end > view.length) throw damaged();
  return start === end ? undefined : view.subarray(start, end);
}

/** The BasicOCSPResponse of a packed one, with its responder's certificate (RFC 6960 4.2.1). */
export function withResponder(response: Uint8Array, certificateDer: Uint8Array): Uint8Array {
  return encodeSequence(response, encodeTlv(contextConstructed(0), encodeSequence(certificateDer)));
}

function damaged(): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', 'a document of OCSP responses is damaged');
}
