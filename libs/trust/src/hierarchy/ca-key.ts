import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { IssuerSignatureAlgorithm, SignatureAlgorithm } from '@certmill/der';
import { generateIssuerKey } from '../keys/generate-key.js';
import { issuerKeyTypeOf, type IssuerKeyType, signatureAlgorithmFor } from '../keys/key-types.js';

/** What signs a CA certificate, a CSR or a CRL: a key in memory, or a module that keeps its own. */
export interface CaSigner {
  readonly signatureAlgorithm: IssuerSignatureAlgorithm;
  /** SubjectPublicKeyInfo of the key. */
  readonly subjectPKInfoDer: Uint8Array;
  /** The signature over the bytes, as it stands in the BIT STRING of what is signed. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** One that answers at once: its key is in memory, or in a module that this thread waits for. */
export interface SoftwareCaSigner extends CaSigner {
  sign(bytes: Uint8Array): Uint8Array;
}

/** A key pair of a CA; the private part is extractable, to be written encrypted. */
export interface CaKeyPair {
  readonly privateKey: KeyObject;
  readonly subjectPKInfoDer: Uint8Array;
}

export async function generateCaKey(keyType: IssuerKeyType): Promise<CaKeyPair> {
  const { privateKey, publicKey } = await generateIssuerKey(keyType);
  return { privateKey, subjectPKInfoDer: publicKey.export({ format: 'der', type: 'spki' }) };
}

/** Signs with a private key in memory, with the hash that belongs to its type. */
export function caSignerOf(privateKey: KeyObject, subjectPKInfoDer: Uint8Array): SoftwareCaSigner {
  const signatureAlgorithm = signatureAlgorithmFor(issuerKeyTypeOf(privateKey));
  const hash = hashOf(signatureAlgorithm);
  return {
    signatureAlgorithm,
    subjectPKInfoDer,
    sign: (bytes) => sign(hash, bytes, privateKey),
  };
}

/**
 * A signature that verifies with the public key of the CA's certificate; FAULT_KEY_MISMATCH where it does
 * not.
 */
export async function verifiedSignature(
  signer: CaSigner,
  bytes: Uint8Array,
  subjectPKInfoDer = signer.subjectPKInfoDer,
): Promise<Uint8Array> {
  const signature = await signer.sign(bytes);
  const key = createPublicKey({ key: Buffer.from(subjectPKInfoDer), format: 'der', type: 'spki' });
  if (verify(hashOf(signer.signatureAlgorithm), bytes, key, signature)) return signature;
  throw new CertmillError('FAULT_KEY_MISMATCH', "the signature does not verify with the CA's key");
}

/** The digest of node:crypto for a signature algorithm; null where the algorithm hashes by itself. */
export function hashOf(algorithm: SignatureAlgorithm): string | null {
  return /-(sha\d+)$/.exec(algorithm)?.[1] ?? null;
}
