import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import {
  encodeEncryptedPrivateKeyInfo,
  PBES2_IV_OCTETS,
  pemEncode,
  readEncryptedPrivateKeyInfo,
  type Pbes2Parts,
} from '@certmill/der';
import { deriveKey, deriveKeySync, pbkdf2Iterations } from './derived-keys.js';

const saltOctets = 16;

/**
 * `EncryptedPrivateKeyInfo` (RFC 5958 3) as PEM: PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC
 * (RFC 8018 6.2), which OpenSSL, Java and Go read.
 * @param pkcs8Der stays the caller's, who wipes it.
 * @param salt 16 octets of another key under the same passphrase (`saltOf`): one derivation opens both.
 */
export async function encryptPrivateKey(
  pkcs8Der: Uint8Array,
  passphrase: string,
  salt: Uint8Array = randomBytes(saltOctets),
): Promise<string> {
  const iterations = pbkdf2Iterations;
  const iv = randomBytes(PBES2_IV_OCTETS);
  const key = await deriveKey(passphrase, salt);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8Der), cipher.final()]);
  key.fill(0);
  return pemEncode(
    'ENCRYPTED PRIVATE KEY',
    encodeEncryptedPrivateKeyInfo({ salt, iterations, iv, encrypted }),
  );
}

/** The salt of a key that `encryptPrivateKey` encrypted; undefined for any other. */
export function saltOf(pem: string): Uint8Array | undefined {
  return partsOf(pem)?.salt;
}

function partsOf(pem: string): Pbes2Parts | undefined {
  const body = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]+)-----END/.exec(pem)?.[1];
  const parts = body && readEncryptedPrivateKeyInfo(Buffer.from(body, 'base64'));
  const isOurs = parts && parts.iterations === pbkdf2Iterations && parts.salt.length === saltOctets;
  return isOurs ? parts : undefined;
}

/**
 * The private key in an encrypted PKCS#8 PEM.
 * @param description names the key in the messages, for instance its file.
 * Throws INVALID_INPUT for a wrong passphrase, a key that is not encrypted, or no key at all.
 * The messages carry neither the passphrase nor anything of the key.
 */
export function decryptPrivateKey(pem: string, passphrase: string, description: string): KeyObject {
  if (!pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) {
    throw new CertmillError(
      'INVALID_INPUT',
      /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/.test(pem)
        ? `${description} is not encrypted; encrypt it with 'openssl pkcs8 -topk8 -v2 aes-256-cbc'`
        : `${description} holds no PEM 'ENCRYPTED PRIVATE KEY' (PKCS#8)`,
    );
  }
  try {
    const parts = partsOf(pem);
    return parts === undefined
      ? createPrivateKey({ key: pem, format: 'pem', passphrase })
      : decryptParts(parts, passphrase);
  } catch {
    // The cause is left out: OpenSSL's text says nothing more, and this one must never hold secrets.
    throw new CertmillError(
      'INVALID_INPUT',
      `${description} cannot be decrypted: the passphrase is wrong or the file is damaged`,
    );
  }
}

/** Throws where the passphrase is wrong. */
function decryptParts({ salt, iv, encrypted }: Pbes2Parts, passphrase: string): KeyObject {
  const key = deriveKeySync(passphrase, salt);
  const decipher = createDecipheriv('aes-256-cbc', key, iv);
  key.fill(0);
  const plain = Buffer.concat([decipher.update(encrypted), decipher.final()]);
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } finally {
    plain.fill(0);
  }
}
