import {
  createCipheriv,
  createPrivateKey,
  type KeyObject,
  pbkdf2 as pbkdf2Callback,
  randomBytes,
} from 'node:crypto';
import { promisify } from 'node:util';
import { CertmillError } from '@certmill/domain';
import {
  encodeEncryptedPrivateKeyInfo,
  PBES2_IV_OCTETS,
  PBES2_KEY_OCTETS,
  pemEncode,
  readEncryptedPrivateKeyInfo,
} from '@certmill/der';

const pbkdf2 = promisify(pbkdf2Callback);

/** OWASP's figure for PBKDF2-HMAC-SHA256; node's own export stops at OpenSSL's 2,048. */
export const pbkdf2Iterations = 600_000;
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
  const key = await pbkdf2(passphrase, salt, iterations, PBES2_KEY_OCTETS, 'sha256');
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
  const body = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]+)-----END/.exec(pem)?.[1];
  const parts = body && readEncryptedPrivateKeyInfo(Buffer.from(body, 'base64'));
  const isOurs = parts && parts.iterations === pbkdf2Iterations && parts.salt.length === saltOctets;
  return isOurs ? parts.salt : undefined;
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
    return createPrivateKey({ key: pem, format: 'pem', passphrase });
  } catch {
    // The cause is left out: OpenSSL's text says nothing more, and this one must never hold secrets.
    throw new CertmillError(
      'INVALID_INPUT',
      `${description} cannot be decrypted: the passphrase is wrong or the file is damaged`,
    );
  }
}
