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
  encodeAlgorithmIdentifier,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeSequence,
  pemEncode,
} from '@certmill/der';

const pbkdf2 = promisify(pbkdf2Callback);

// RFC 8018 A.2, A.4; RFC 8018 B.1.2; NIST CSOR.
const idPbes2 = '1.2.840.113549.1.5.13';
const idPbkdf2 = '1.2.840.113549.1.5.12';
const idHmacWithSha256 = '1.2.840.113549.2.9';
const aes256Cbc = '2.16.840.1.101.3.4.1.42';

/** OWASP's figure for PBKDF2-HMAC-SHA256; node's own export stops at OpenSSL's 2,048. */
export const pbkdf2Iterations = 600_000;
const saltOctets = 16;
const keyOctets = 32;
const ivOctets = 16;

/**
 * `EncryptedPrivateKeyInfo` (RFC 5958 3) as PEM: PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC
 * (RFC 8018 6.2), which OpenSSL, Java and Go read.
 * @param pkcs8Der stays the caller's, who wipes it.
 */
export async function encryptPrivateKey(pkcs8Der: Uint8Array, passphrase: string): Promise<string> {
  const salt = randomBytes(saltOctets);
  const iv = randomBytes(ivOctets);
  const key = await pbkdf2(passphrase, salt, pbkdf2Iterations, keyOctets, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8Der), cipher.final()]);
  key.fill(0);
  const derivation = encodeAlgorithmIdentifier(
    idPbkdf2,
    encodeSequence(
      encodeOctetString(salt),
      encodeInteger(pbkdf2Iterations),
      encodeInteger(keyOctets),
      encodeAlgorithmIdentifier(idHmacWithSha256, encodeNull()),
    ),
  );
  const encryption = encodeAlgorithmIdentifier(aes256Cbc, encodeOctetString(iv));
  const der = encodeSequence(
    encodeAlgorithmIdentifier(idPbes2, encodeSequence(derivation, encryption)),
    encodeOctetString(encrypted),
  );
  return pemEncode('ENCRYPTED PRIVATE KEY', der);
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
