import { BackwardWriter } from '../encoding/backward-writer.js';
import { lengthOctets } from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { tags } from '../encoding/tags.js';

/** Octets to leave free before a TBSCertificate for the header of the Certificate around it. */
export const CERTIFICATE_HEAD_ROOM = 8;

/** Octets that `finishCertificate` appends after a TBSCertificate. */
export function signatureRoom(
  signatureAlgorithmDer: Uint8Array,
  maxSignatureOctets: number,
): number {
  const bitString = 1 + maxSignatureOctets;
  return signatureAlgorithmDer.length + 1 + lengthOctets(bitString) + bitString;
}

const writer = new BackwardWriter();

/**
 * Makes `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }` (RFC 5280
 * 4.1) around the TBSCertificate in `out[tbsStart, tbsEnd)`, which stays where it is. Before it
 * CERTIFICATE_HEAD_ROOM octets, after it `signatureRoom` octets are overwritten.
 *
 * @returns the range of the Certificate in `out`
 */
export function finishCertificate(
  out: Uint8Array,
  tbsStart: number,
  tbsEnd: number,
  signatureAlgorithmDer: Uint8Array,
  signature: Uint8Array,
): { start: number; end: number } {
  const end = tbsEnd + signatureRoom(signatureAlgorithmDer, signature.length);
  if (end > out.length) {
    throw new CertmillDerError('no-room', 'the signature does not fit after the TBSCertificate');
  }
  writer.reset(out, end, tbsEnd);
  writer.bytes(signature, 0, signature.length);
  out[writer.claim(1)] = 0;
  writer.header(tags.bitString, end);
  writer.bytes(signatureAlgorithmDer, 0, signatureAlgorithmDer.length);

  writer.reset(out, tbsStart, Math.max(0, tbsStart - CERTIFICATE_HEAD_ROOM));
  writer.header(tags.sequence, end);
  const start = writer.position;
  writer.release();
  return { start, end };
}
