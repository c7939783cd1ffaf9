import { constants, type KeyObject, verify } from 'node:crypto';
import { contextConstructed, oids } from '@certmill/der';
import { type DerNode, oidOf } from '../lint/der-node.js';

/** `unsupported`: an algorithm that is not known here, or one that proves nothing any more. */
export type SignatureVerdict = 'good' | 'bad' | 'unsupported';

/** Hash of an algorithm, `null` where it has its own; SHA-1 and older ones are left out. */
const hashes: Readonly<Record<string, string | null>> = {
  [oids.ecdsa_with_SHA256]: 'sha256',
  [oids.ecdsa_with_SHA384]: 'sha384',
  [oids.ecdsa_with_SHA512]: 'sha512',
  [oids.sha256WithRSAEncryption]: 'sha256',
  [oids.sha384WithRSAEncryption]: 'sha384',
  [oids.sha512WithRSAEncryption]: 'sha512',
  [oids.id_Ed25519]: null,
  // Ed448 (RFC 8410 3), ML-DSA-44, -65 and -87 (RFC 9881 2).
  '1.3.101.113': null,
  '2.16.840.1.101.3.4.3.17': null,
  '2.16.840.1.101.3.4.3.18': null,
  '2.16.840.1.101.3.4.3.19': null,
};

const pssHashes: Readonly<Record<string, string>> = {
  [oids.id_sha256]: 'sha256',
  [oids.id_sha384]: 'sha384',
  [oids.id_sha512]: 'sha512',
};

/**
 * Whether `signature` over `signed` verifies with the key, by the algorithm that the AlgorithmIdentifier
 * names. Never throws: what the key cannot have made is `bad`.
 */
export function verifySignature(
  algorithm: DerNode,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): SignatureVerdict {
  const oid = oidOf(algorithm.children[0]) ?? '';
  if (oid === oids.id_RSASSA_PSS) return verifyPss(algorithm, signed, signature, key);
  const hash = hashes[oid];
  if (hash === undefined) return 'unsupported';
  return verified(hash, signed, key, signature);
}

/** `RSASSA-PSS-params` (RFC 4055 3.1) with a SHA-2 hash that is written out. */
function verifyPss(
  algorithm: DerNode,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): SignatureVerdict {
  const parameters = algorithm.children[1]?.children ?? [];
  const part = (number: number) =>
    parameters.find(({ tag }) => tag === contextConstructed(number))?.children[0];
  const hash = pssHashes[oidOf(part(0)?.children[0]) ?? ''];
  if (hash === undefined) return 'unsupported';
  const salt = part(2)?.content;
  const saltLength =
    salt === undefined ? 20 : Number.parseInt(Buffer.from(salt).toString('hex'), 16);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verified(hash, signed, { key, padding, saltLength }, signature);
}

function verified(
  hash: string | null,
  signed: Uint8Array,
  key: Parameters<typeof verify>[2],
  signature: Uint8Array,
): SignatureVerdict {
  try {
    return verify(hash, signed, key, signature) ? 'good' : 'bad';
  } catch {
    return 'bad';
  }
}
