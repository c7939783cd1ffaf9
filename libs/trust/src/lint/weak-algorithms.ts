import { contextConstructed, oids } from '@certmill/der';
import { leastRsaBits } from '@certmill/domain';
import { type DerNode, oidOf, readDerNode } from './der-node.js';

/** Where key sizes and curves of signatures stand. */
export const keyStrengthClause = 'NIST SP 800-131A Rev. 2, 3';
/** Where hash functions of signatures stand. */
export const signatureHashClause = 'NIST SP 800-131A Rev. 2, 9';

/** 224 bits. */
const minCurveOctets = 28;

/** By OID of the signature algorithm, or of the hash. */
const weakHashes: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'MD2',
  '1.2.840.113549.1.1.3': 'MD4',
  [oids.md5WithRSAEncryption]: 'MD5',
  [oids.sha1WithRSAEncryption]: 'SHA-1',
  [oids.sha1WithRSASignature]: 'SHA-1',
  [oids.ecdsa_with_SHA1]: 'SHA-1',
  // id-dsa-with-sha1, RFC 3279 2.2.2.
  '1.2.840.10040.4.3': 'SHA-1',
  // id-md5, RFC 3279 2.2.1.
  '1.2.840.113549.2.5': 'MD5',
  [oids.id_sha1]: 'SHA-1',
};

/** Why signatures of such a key prove too little, for people; undefined where the key is strong enough or not known. */
export function keyWeaknessOf(subjectPKInfo: DerNode): string | undefined {
  const [algorithm, subjectPublicKey] = subjectPKInfo.children;
  const octets = subjectPublicKey?.content.subarray(1) ?? new Uint8Array();
  const type = oidOf(algorithm?.children[0]);
  if (type === oids.rsaEncryption || type === oids.id_RSASSA_PSS) {
    const bits = bitsOf(readDerNode(octets)?.children[0]?.content ?? new Uint8Array());
    return bits < leastRsaBits
      ? `the RSA key has ${String(bits)} bits, at least ${String(leastRsaBits)} are needed`
      : undefined;
  }
  if (type !== oids.id_ecPublicKey) return undefined;
  // Uncompressed a point is two coordinates, else one (SEC 1 2.3.3).
  const coordinate = octets[0] === 4 ? (octets.length - 1) / 2 : octets.length - 1;
  return coordinate < minCurveOctets
    ? `the curve has some ${String(coordinate * 8)} bits, at least ${String(minCurveOctets * 8)} are needed`
    : undefined;
}

/** Why a signature by the AlgorithmIdentifier proves nothing any more, for people; undefined where it may. */
export function signatureWeaknessOf(algorithm: DerNode): string | undefined {
  const [type, parameters] = algorithm.children;
  const oid = oidOf(type) ?? '';
  const hash = weakHashes[oid === oids.id_RSASSA_PSS ? pssHashOf(parameters) : oid];
  return hash && `the signature is made with ${hash}, which proves nothing any more`;
}

/** SHA-1 where it is not written (RFC 4055 3.1). */
function pssHashOf(parameters: DerNode | undefined): string {
  const hash = parameters?.children.find(({ tag }) => tag === contextConstructed(0));
  return hash === undefined ? oids.id_sha1 : (oidOf(hash.children[0]?.children[0]) ?? '');
}

/** Of the content of a positive INTEGER. */
function bitsOf(content: Uint8Array): number {
  const first = content.findIndex((octet) => octet !== 0);
  if (first < 0) return 0;
  return (content.length - first) * 8 - (Math.clz32(content[first] ?? 0) - 24);
}
