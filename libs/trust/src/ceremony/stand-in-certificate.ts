import { CertmillError } from '@certmill/domain';
import { encodeSequence, encodeTlv, signatureAlgorithmDer, tags } from '@certmill/der';
import { type CaSigner, verifiedSignature } from '../hierarchy/ca-key.js';
import { readDerNode } from '../lint/der-node.js';

const versionTag = 0xa0;

/**
 * A certificate with every field of another, byte for byte, but its key and who signs it: what a
 * rehearsal has in its place, with the same names, serial number and constraints.
 * @param subjectPKInfoDer the key that takes the place of its own; absent: it keeps that.
 * Throws INVALID_INPUT where the original is no certificate.
 */
export async function standInCertificate(
  originalDer: Uint8Array,
  signer: CaSigner,
  subjectPKInfoDer?: Uint8Array,
): Promise<Uint8Array> {
  const fields = readDerNode(originalDer)?.children[0]?.children ?? [];
  // RFC 5280 4.1: version [0], serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo.
  const first = fields[0]?.tag === versionTag ? 1 : 0;
  const algorithmDer = signatureAlgorithmDer(signer.signatureAlgorithm);
  const parts = fields.map(({ der }, index) => {
    if (index === first + 1) return algorithmDer;
    return index === first + 5 ? (subjectPKInfoDer ?? der) : der;
  });
  if (parts.length < first + 6) {
    throw new CertmillError('INVALID_INPUT', 'what is to be stood in for is no certificate');
  }
  const tbs = encodeSequence(...parts);
  const signature = await verifiedSignature(signer, tbs);
  return encodeSequence(tbs, algorithmDer, encodeTlv(tags.bitString, Uint8Array.of(0), signature));
}
