import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  pbkdf2 as pbkdf2Callback,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { PBES2_KEY_OCTETS, type Pbes2Parts, readEncryptedPrivateKeyInfo } from '@certmill/der';
import { BoundedCache } from '../worker-pool/bounded-cache.js';

const pbkdf2 = promisify(pbkdf2Callback);

/**
 * Keys that were derived from passphrases, by what they were derived from: keys in files that were
 * encrypted with one salt are opened with one derivation, and a key that is opened again with none. Where
 * this is, there are the private keys as well.
 */
const derived = new BoundedCache<Buffer>(16_384, (key) => {
  key.fill(0);
});

/**
 * Decrypts a PKCS#8 key. The derivation, by far the most of it, runs beside the thread. Undefined where the
 * key is encrypted in another way, which is for OpenSSL to read. Throws where the passphrase is wrong.
 */
export async function decryptPbes2(
  der: Uint8Array,
  passphrase: Uint8Array,
): Promise<KeyObject | undefined> {
  const parts = readEncryptedPrivateKeyInfo(der);
  if (parts === undefined) return undefined;
  const decipher = createDecipheriv('aes-256-cbc', await derivedKey(parts, passphrase), parts.iv);
  const plain = Buffer.concat([decipher.update(parts.encrypted), decipher.final()]);
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } finally {
    plain.fill(0);
  }
}

async function derivedKey(
  { salt, iterations }: Pbes2Parts,
  passphrase: Uint8Array,
): Promise<Buffer> {
  const from = createHash('sha256').update(`${String(iterations)} ${String(salt.length)} `);
  const id = from.update(salt).update(passphrase).digest('base64');
  const known = derived.get(id);
  if (known !== undefined) return known;
  const key = await pbkdf2(passphrase, salt, iterations, PBES2_KEY_OCTETS, 'sha256');
  derived.set(id, key);
  return key;
}
