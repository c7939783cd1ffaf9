import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  pbkdf2 as pbkdf2Callback,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import {
  DerReader,
  encodeAlgorithmIdentifier,
  encodeNull,
  encodeOidContent,
  tags,
} from '@certmill/der';
import { BoundedCache } from '../worker-pool/bounded-cache.js';

const pbkdf2 = promisify(pbkdf2Callback);

// RFC 8018 A.2, A.4; RFC 8018 B.1.2; NIST CSOR.
const idPbes2 = encodeOidContent('1.2.840.113549.1.5.13');
const idPbkdf2 = encodeOidContent('1.2.840.113549.1.5.12');
const hmacWithSha256 = encodeAlgorithmIdentifier('1.2.840.113549.2.9', encodeNull());
const aes256Cbc = encodeOidContent('2.16.840.1.101.3.4.1.42');
const keyOctets = 32;
const maxIterations = 0x7fffffff;

/**
 * Keys that were derived from passphrases, by what they were derived from: keys in files that were
 * encrypted with one salt are opened with one derivation, and a key that is opened again with none. Where
 * this is, there are the private keys as well.
 */
const derived = new BoundedCache<Buffer>(16_384, (key) => {
  key.fill(0);
});

/** `EncryptedPrivateKeyInfo` (RFC 5958 3) as Certmill writes it: PBES2, PBKDF2-HMAC-SHA256, AES-256-CBC. */
interface Pbes2 {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly iv: Uint8Array;
  readonly encrypted: Uint8Array;
}

/**
 * Decrypts a PKCS#8 key. The derivation, by far the most of it, runs beside the thread. Undefined where the
 * key is encrypted in another way, which is for OpenSSL to read. Throws where the passphrase is wrong.
 */
export async function decryptPbes2(
  der: Uint8Array,
  passphrase: Uint8Array,
): Promise<KeyObject | undefined> {
  const parts = readPbes2(der);
  if (parts === undefined) return undefined;
  const decipher = createDecipheriv('aes-256-cbc', await derivedKey(parts, passphrase), parts.iv);
  const plain = Buffer.concat([decipher.update(parts.encrypted), decipher.final()]);
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } finally {
    plain.fill(0);
  }
}

async function derivedKey({ salt, iterations }: Pbes2, passphrase: Uint8Array): Promise<Buffer> {
  const from = createHash('sha256').update(`${String(iterations)} ${String(salt.length)} `);
  const id = from.update(salt).update(passphrase).digest('base64');
  const known = derived.get(id);
  if (known !== undefined) return known;
  const key = await pbkdf2(passphrase, salt, iterations, keyOctets, 'sha256');
  derived.set(id, key);
  return key;
}

function readPbes2(der: Uint8Array): Pbes2 | undefined {
  const reader = new DerReader();
  if (!reader.reset(der, 0, der.length)) return undefined;
  const isOid = (content: Uint8Array, limit: number): boolean =>
    reader.objectIdentifier(limit) && reader.contentIs(content);
  const octets = (limit: number): Uint8Array | undefined =>
    reader.skip(tags.octetString, limit)
      ? der.subarray(reader.contentStart, reader.contentEnd)
      : undefined;

  const end = reader.open(tags.sequence, der.length);
  const algorithm = reader.open(tags.sequence, end);
  if (!isOid(idPbes2, algorithm)) return undefined;
  const parameters = reader.open(tags.sequence, algorithm);
  const derivation = reader.open(tags.sequence, parameters);
  if (!isOid(idPbkdf2, derivation)) return undefined;
  const inputs = reader.open(tags.sequence, derivation);
  const salt = octets(inputs);
  const iterations = reader.smallInteger(inputs, maxIterations);
  const hasLength = reader.peek(inputs) === tags.integer;
  if (hasLength && reader.smallInteger(inputs, maxIterations) !== keyOctets) return undefined;
  if (Buffer.compare(der.subarray(reader.position, inputs), hmacWithSha256) !== 0) return undefined;
  reader.position = inputs;
  const encryption = reader.open(tags.sequence, parameters);
  if (!isOid(aes256Cbc, encryption)) return undefined;
  const iv = octets(encryption);
  const encrypted = octets(end);
  if (salt === undefined || iterations < 1 || iv?.length !== 16 || encrypted === undefined) {
    return undefined;
  }
  return reader.close(end) && end === der.length ? { salt, iterations, iv, encrypted } : undefined;
}
