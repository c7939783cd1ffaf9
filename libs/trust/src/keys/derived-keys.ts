import { pbkdf2 as pbkdf2Callback, pbkdf2Sync } from 'node:crypto';
import { promisify } from 'node:util';
import { PBES2_KEY_OCTETS } from '@certmill/der';

const pbkdf2 = promisify(pbkdf2Callback);

/** OWASP's figure for PBKDF2-HMAC-SHA256; node's own export stops at OpenSSL's 2,048. */
export const pbkdf2Iterations = 600_000;

interface DerivedKey {
  readonly passphrase: string;
  readonly salt: Uint8Array;
  readonly key: Buffer;
  readonly ending: NodeJS.Timeout;
}

/** In less, a command has made a root and an issuer below it, or opened the one and made the other. */
const keptMs = 5_000;
/** Folders that one command works on have a salt each. */
const keptAtOnce = 4;
/** Oldest first. Who reads this memory finds the passphrases themselves: they are strings, which stay longer. */
const kept: DerivedKey[] = [];

/** By PBKDF2-HMAC-SHA256 (RFC 8018 5.2). A copy, which its caller wipes. */
export async function deriveKey(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  const key =
    keptKey(passphrase, salt) ??
    (await pbkdf2(passphrase, salt, pbkdf2Iterations, PBES2_KEY_OCTETS, 'sha256'));
  return keep(passphrase, salt, key);
}

/** The same in the calling thread. */
export function deriveKeySync(passphrase: string, salt: Uint8Array): Buffer {
  const key =
    keptKey(passphrase, salt) ??
    pbkdf2Sync(passphrase, salt, pbkdf2Iterations, PBES2_KEY_OCTETS, 'sha256');
  return keep(passphrase, salt, key);
}

function keptKey(passphrase: string, salt: Uint8Array): Buffer | undefined {
  const known = kept.find((each) => isFrom(each, passphrase, salt));
  return known && Buffer.from(known.key);
}

function isFrom(derived: DerivedKey, passphrase: string, salt: Uint8Array): boolean {
  return derived.passphrase === passphrase && Buffer.compare(derived.salt, salt) === 0;
}

function keep(passphrase: string, salt: Uint8Array, key: Buffer): Buffer {
  if (kept.some((each) => isFrom(each, passphrase, salt))) return key;
  const ending = setTimeout(() => end(derived), keptMs).unref();
  const own = { passphrase, salt: new Uint8Array(salt), key: Buffer.from(key) };
  const derived: DerivedKey = { ...own, ending };
  kept.push(derived);
  const [oldest] = kept;
  if (kept.length > keptAtOnce && oldest !== undefined) end(oldest);
  return key;
}

function end(derived: DerivedKey): void {
  clearTimeout(derived.ending);
  kept.splice(kept.indexOf(derived), 1);
  derived.key.fill(0);
}
