import { constants, type KeyObject, verify } from 'node:crypto';
import { contextConstructed, oids } from '@certmill/der';
import { type DerNode, oidOf } from '../lint/der-node.js';
import { isSameBytes, type PathCertificate } from './path-certificate.js';

/** `unsupported`: an algorithm that is not known here, or one that proves nothing any more. */
export type SignatureVerdict = 'good' | 'bad' | 'unsupported';

/** `keyType` as node:crypto names it: no other key makes such a signature. */
interface Algorithm {
  readonly keyType: string;
  /** Null where the algorithm has its own. */
  readonly hash: string | null;
}

/** By OID; SHA-1 and older hashes are left out. */
const algorithms: Readonly<Record<string, Algorithm>> = {
  [oids.ecdsa_with_SHA256]: { keyType: 'ec', hash: 'sha256' },
  [oids.ecdsa_with_SHA384]: { keyType: 'ec', hash: 'sha384' },
  [oids.ecdsa_with_SHA512]: { keyType: 'ec', hash: 'sha512' },
  [oids.sha256WithRSAEncryption]: { keyType: 'rsa', hash: 'sha256' },
  [oids.sha384WithRSAEncryption]: { keyType: 'rsa', hash: 'sha384' },
  [oids.sha512WithRSAEncryption]: { keyType: 'rsa', hash: 'sha512' },
  [oids.id_Ed25519]: { keyType: 'ed25519', hash: null },
  // RFC 8410 3.
  '1.3.101.113': { keyType: 'ed448', hash: null },
  // RFC 9881 2.
  [oids.id_ml_dsa_44]: { keyType: 'ml-dsa-44', hash: null },
  [oids.id_ml_dsa_65]: { keyType: 'ml-dsa-65', hash: null },
  [oids.id_ml_dsa_87]: { keyType: 'ml-dsa-87', hash: null },
};

/** With hashes that prove nothing any more; by OID. */
const legacyAlgorithms: Readonly<Record<string, Algorithm>> = {
  [oids.md5WithRSAEncryption]: { keyType: 'rsa', hash: 'md5' },
  [oids.sha1WithRSAEncryption]: { keyType: 'rsa', hash: 'sha1' },
  [oids.sha1WithRSASignature]: { keyType: 'rsa', hash: 'sha1' },
  [oids.ecdsa_with_SHA1]: { keyType: 'ec', hash: 'sha1' },
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
  return verifyBy(algorithms[oid], signed, signature, key);
}

/**
 * The same, with SHA-1 and MD5 as well: what is `good` here is unbroken, and proves nothing. For telling
 * a signature that is too old from one that is wrong.
 */
export function verifyLegacySignature(
  algorithm: DerNode,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): SignatureVerdict {
  const legacy = legacyAlgorithms[oidOf(algorithm.children[0]) ?? ''];
  return legacy === undefined
    ? verifySignature(algorithm, signed, signature, key)
    : verifyBy(legacy, signed, signature, key);
}

function verifyBy(
  known: Algorithm | undefined,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): SignatureVerdict {
  if (known === undefined) return 'unsupported';
  if (key.asymmetricKeyType !== known.keyType) return 'bad';
  return verified(known.hash, signed, key, signature);
}

/** Whether the issuer's key has made the signature of the certificate, by whatever hash. */
export function signatureVerdictOf(
  { publicKey }: Pick<PathCertificate, 'publicKey'>,
  { certificate, tbsDer, signature }: PathCertificate,
): SignatureVerdict {
  if (publicKey === undefined) return 'unsupported';
  return verifyLegacySignature(certificate.signatureAlgorithm, tbsDer, signature, publicKey);
}

/** Whether the key has signed the certificate, by the one algorithm that it names twice (RFC 5280 4.1.1.2). */
export function hasSigned(
  key: KeyObject | undefined,
  { certificate, tbsDer, signature }: PathCertificate,
): boolean {
  const { signatureAlgorithm, tbsSignatureAlgorithm } = certificate;
  return (
    key !== undefined &&
    isSameBytes(signatureAlgorithm.der, tbsSignatureAlgorithm.der) &&
    verifySignature(signatureAlgorithm, tbsDer, signature, key) === 'good'
  );
}

/** `RSASSA-PSS-params` (RFC 4055 3.1) with a SHA-2 hash that is written out. */
function verifyPss(
  algorithm: DerNode,
  signed: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): SignatureVerdict {
  if (!['rsa', 'rsa-pss'].includes(key.asymmetricKeyType ?? '')) return 'bad';
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
