import { hash } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { SigningHash } from '../signature-scheme.js';
import type { SignatureHashing } from '../signing-slot.js';
import {
  CKF_SIGN,
  CKM_ECDSA,
  CKM_EDDSA,
  CKM_ML_DSA,
  CKM_RSA_PKCS,
  CKM_SHA256_RSA_PKCS,
  CKM_SHA384_RSA_PKCS,
  CKM_SHA512_RSA_PKCS,
  CKR_MECHANISM_INVALID,
} from './cryptoki.js';
import { writeEcdsaSignature } from './ecdsa-signature.js';
import type { Cryptoki, Handle } from './load-cryptoki.js';
import { returnValueOf } from './pkcs11-fault.js';
import type { TokenKeyKind } from './token-public-key.js';

/** How a token is asked for a signature, and what becomes of its answer. */
export interface SigningMethod {
  readonly mechanism: number;
  /** What the token signs instead of the message. */
  input(message: Uint8Array): Buffer;
  /** signatureValue of the first octets of `answer`; MAY be overwritten by the next call. */
  output(answer: Buffer, bytes: number): Uint8Array;
}

/** `DigestInfo` up to the digest (RFC 8017 9.2, note 1). */
const digestInfoHeads = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};
const hashingRsaMechanisms = {
  sha256: CKM_SHA256_RSA_PKCS,
  sha384: CKM_SHA384_RSA_PKCS,
  sha512: CKM_SHA512_RSA_PKCS,
};
const digestBytes = { sha256: 32, sha384: 48, sha512: 64 };
const maxEcdsaBytes = 139;

/**
 * The mechanism for a kind of key, out of what the token has. The digest is made here where the token
 * lets us: then a few octets travel to it and not the whole certificate. Faults: CONFIG_INVALID.
 */
export function signingMethodOf(
  kind: TokenKeyKind,
  hashing: SignatureHashing['hash'],
  cryptoki: Cryptoki,
  slot: Handle,
): SigningMethod {
  const offered = (mechanism: number): boolean => isOffered(cryptoki, slot, mechanism);
  if (kind === 'ed25519' && offered(CKM_EDDSA)) {
    return { mechanism: CKM_EDDSA, input: asBuffer, output: begin };
  }
  // No parameter: hedged where the token can, with an empty context, as RFC 9881 3 has it.
  if (kind === 'ml-dsa' && offered(CKM_ML_DSA)) {
    return { mechanism: CKM_ML_DSA, input: asBuffer, output: begin };
  }
  if (kind === 'ecdsa' && hashing !== null && offered(CKM_ECDSA)) {
    const out = Buffer.allocUnsafeSlow(maxEcdsaBytes);
    const digest = Buffer.alloc(digestBytes[hashing]);
    return {
      mechanism: CKM_ECDSA,
      input(message) {
        writeDigest(hashing, message, digest, 0);
        return digest;
      },
      output: (answer, bytes) => writeEcdsaSignature(answer, bytes, out),
    };
  }
  if (kind === 'rsa' && hashing !== null && offered(CKM_RSA_PKCS)) {
    const head = digestInfoHeads[hashing];
    const digestInfo = Buffer.concat([head, Buffer.alloc(digestBytes[hashing])]);
    return {
      mechanism: CKM_RSA_PKCS,
      input(message) {
        writeDigest(hashing, message, digestInfo, head.length);
        return digestInfo;
      },
      output: begin,
    };
  }
  // Tokens under some policies sign nothing that they have not hashed themselves.
  if (kind === 'rsa' && hashing !== null && offered(hashingRsaMechanisms[hashing])) {
    const mechanism = hashingRsaMechanisms[hashing];
    return { mechanism, input: asBuffer, output: begin };
  }
  throw new CertmillError('CONFIG_INVALID', `the token has no mechanism to sign with ${kind} keys`);
}

/** Through text: a Buffer for each digest is memory outside the heap, which costs more than it. */
function writeDigest(hashing: SigningHash, message: Uint8Array, into: Buffer, at: number): void {
  into.write(hash(hashing, message, 'binary'), at, 'latin1');
}

function isOffered(cryptoki: Cryptoki, slot: Handle, mechanism: number): boolean {
  try {
    return (cryptoki.C_GetMechanismInfo(slot, mechanism).flags & CKF_SIGN) !== 0;
  } catch (error) {
    if (returnValueOf(error) === CKR_MECHANISM_INVALID) return false;
    throw error;
  }
}

function begin(answer: Buffer, bytes: number): Buffer {
  return answer.subarray(0, bytes);
}

function asBuffer(message: Uint8Array): Buffer {
  return Buffer.isBuffer(message)
    ? message
    : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
}
