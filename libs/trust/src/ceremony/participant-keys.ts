import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { canonicalJson, CertmillError } from '@certmill/domain';

/**
 * The public key of a participant: Ed25519 or P-256, PEM 'PUBLIC KEY' (RFC 5280 4.1.2.7).
 * INVALID_INPUT for anything else.
 */
export function participantKeyOf(pem: string): KeyObject {
  let key: KeyObject;
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw noKey();
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw noKey(cause);
  }
  if (!canSignStatements(key)) throw noKey();
  return key;
}

function noKey(cause?: unknown): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    "a participant's key is a PEM 'PUBLIC KEY', Ed25519 or P-256",
    { cause },
  );
}

function canSignStatements(key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  return type === 'ed25519' || (type === 'ec' && details?.namedCurve === 'prime256v1');
}

/** SHA-256 of the DER SubjectPublicKeyInfo, hex: names a key wherever it is spoken of. */
export function keyFingerprint(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex');
}

/** What a statement is about; part of what is signed, so that none passes for another. */
export type StatementLabel = 'approval' | 'witness';

/**
 * The signature over a statement, base64: of the line `certmill <label> 1` and the canonical JSON.
 * Ed25519 (RFC 8032) or ECDSA with SHA-256 in DER. INVALID_INPUT for a key of another type.
 */
export function signStatement(label: StatementLabel, statement: object, key: KeyObject): string {
  if (!canSignStatements(key)) {
    throw new CertmillError('INVALID_INPUT', 'participants sign with Ed25519 or P-256 keys');
  }
  return sign(digestOf(key), statementBytes(label, statement), key).toString('base64');
}

export function isSignedStatement(
  label: StatementLabel,
  statement: object,
  signatureBase64: string,
  publicKey: KeyObject,
): boolean {
  const signature = Buffer.from(signatureBase64, 'base64');
  return verify(digestOf(publicKey), statementBytes(label, statement), publicKey, signature);
}

/** The bytes that are signed, for whoever signs or checks with other tools. */
export function statementBytes(label: StatementLabel, statement: object): Buffer {
  return Buffer.from(`certmill ${label} 1\n${canonicalJson(statement)}`);
}

function digestOf(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}
