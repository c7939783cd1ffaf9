import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  scrypt as scryptCallback,
  type ScryptOptions,
} from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, CertmillError } from '@certmill/domain';
import { base64, hex } from './field-schemas.js';
import { participantName } from './participants.js';
import { parseStatement } from './statement-file.js';

/** OWASP's parameters for scrypt: 128 MiB and some 0.3 s; a share is opened a few times in its life. */
const scryptCost: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 };
const keyOctets = 32;
const saltOctets = 16;
const ivOctets = 12;

const protection = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('passphrase'), salt: base64(saltOctets) }),
  z.strictObject({ kind: z.literal('public-key'), ephemeralKey: z.base64().max(200) }),
]);
const headShape = {
  type: z.literal('certmill-key-share'),
  version: z.literal(1),
  purpose: z.string().min(1).max(200),
  ceremonyId: hex(16),
  secretId: hex(16),
  custodian: participantName,
  protection,
} as const;
const shareSchema = z.strictObject({
  ...headShape,
  iv: base64(ivOctets),
  tag: base64(16),
  /** One octet of x, 32 of y. */
  ciphertext: base64(33),
  /** Of all the rest: tells a damaged file from a wrong passphrase. */
  sha256: hex(32),
});

/** One custodian's share, encrypted to that custodian. */
export type KeyShare = z.infer<typeof shareSchema>;
type ShareProtection = z.infer<typeof protection>;

/** What a share is encrypted to: a passphrase, or an X25519 or P-256 public key (PEM). */
export type ShareLock = { readonly passphrase: string } | { readonly encryptionKey: string };

export interface Custodian {
  readonly name: string;
  readonly lock: ShareLock;
}

/** What opens a share. */
export type CustodianSecret = { readonly passphrase: string } | { readonly privateKey: KeyObject };

/** Which secret a share is of. */
export interface ShareOf {
  readonly purpose: string;
  readonly ceremonyId: string;
  readonly secretId: string;
}

/** Encrypts one point (AES-256-GCM) under the custodian's passphrase (scrypt) or public key (ECDH). */
export async function closeShare(
  of: ShareOf,
  point: Uint8Array,
  custodian: Custodian,
): Promise<KeyShare> {
  const { key, protection } = await lockedKey(custodian);
  const head = {
    type: 'certmill-key-share' as const,
    version: 1 as const,
    ...of,
    custodian: custodian.name,
    protection,
  };
  const iv = randomBytes(ivOctets);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(canonicalJson(head)));
  const ciphertext = Buffer.concat([cipher.update(point), cipher.final()]);
  key.fill(0);
  const share = {
    ...head,
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
  return { ...share, sha256: checksumOf(share) };
}

/** The point; INVALID_INPUT where the secret is not that of the share's custodian. */
export async function openShare(share: KeyShare, secret: CustodianSecret): Promise<Uint8Array> {
  const { iv, tag, ciphertext } = share;
  const { type, version, purpose, ceremonyId, secretId, custodian, protection } = share;
  const head = { type, version, purpose, ceremonyId, secretId, custodian, protection };
  const key = await openedKey(share, secret);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'))
    .setAAD(Buffer.from(canonicalJson(head)))
    .setAuthTag(Buffer.from(tag, 'base64'));
  key.fill(0);
  const point = decipher.update(Buffer.from(ciphertext, 'base64'));
  try {
    decipher.final();
    return Uint8Array.from(point);
  } catch {
    throw new CertmillError(
      'INVALID_INPUT',
      `the share of ${share.custodian} does not open: wrong ` +
        ('passphrase' in secret ? 'passphrase' : 'private key'),
    );
  } finally {
    point.fill(0);
  }
}

/** Reads a share file. INVALID_INPUT where it is none or was damaged. */
export function parseKeyShare(text: string, fileName: string): KeyShare {
  const share = parseStatement(text, fileName, 'key share', shareSchema);
  const { sha256, ...rest } = share;
  if (checksumOf(rest) === sha256) return share;
  throw new CertmillError(
    'INVALID_INPUT',
    `${fileName}: the share of ${share.custodian} is damaged: its checksum is wrong`,
  );
}

function checksumOf(share: object): string {
  return hash('sha256', canonicalJson(share), 'hex');
}

async function lockedKey({
  name,
  lock,
}: Custodian): Promise<{ readonly key: Uint8Array; readonly protection: ShareProtection }> {
  if ('passphrase' in lock) {
    if (lock.passphrase === '') {
      throw new CertmillError('INVALID_INPUT', `the passphrase of ${name} is empty`);
    }
    const salt = randomBytes(saltOctets);
    return {
      key: await passphraseKey(lock.passphrase, salt),
      protection: { kind: 'passphrase', salt: salt.toString('base64') },
    };
  }
  const recipient = encryptionKeyOf(lock.encryptionKey);
  const ephemeral = ephemeralPairFor(recipient);
  const spki = ephemeral.publicKey.export({ format: 'der', type: 'spki' });
  return {
    key: agreedKey(ephemeral.privateKey, recipient, spki),
    protection: { kind: 'public-key', ephemeralKey: spki.toString('base64') },
  };
}

async function openedKey(share: KeyShare, secret: CustodianSecret): Promise<Uint8Array> {
  const { protection: lock } = share;
  if (lock.kind === 'passphrase' && 'passphrase' in secret) {
    return passphraseKey(secret.passphrase, Buffer.from(lock.salt, 'base64'));
  }
  if (lock.kind === 'public-key' && 'privateKey' in secret) {
    const spki = Buffer.from(lock.ephemeralKey, 'base64');
    try {
      const ephemeral = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      return agreedKey(secret.privateKey, ephemeral, spki);
    } catch (cause) {
      throw new CertmillError(
        'INVALID_INPUT',
        `the key does not fit the share of ${share.custodian}`,
        {
          cause,
        },
      );
    }
  }
  throw new CertmillError(
    'INVALID_INPUT',
    `the share of ${share.custodian} is opened by a ` +
      (lock.kind === 'passphrase' ? 'passphrase' : 'private key'),
  );
}

async function passphraseKey(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scryptCallback(passphrase, salt, keyOctets, scryptCost, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** X25519 or P-256: the two that hardware tokens for custodians have. */
export function encryptionKeyOf(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
    if (type === 'x25519' || (type === 'ec' && details?.namedCurve === 'prime256v1')) return key;
  } catch {
    // Told below.
  }
  throw new CertmillError(
    'INVALID_INPUT',
    "an encryption key is a PEM 'PUBLIC KEY', X25519 or P-256",
  );
}

function ephemeralPairFor(recipient: KeyObject): {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
} {
  return recipient.asymmetricKeyType === 'x25519'
    ? generateKeyPairSync('x25519')
    : generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

/** HKDF-SHA256 (RFC 5869) of the agreed secret, bound to the ephemeral key. */
function agreedKey(privateKey: KeyObject, publicKey: KeyObject, ephemeralSpki: Buffer): Uint8Array {
  const secret = diffieHellman({ privateKey, publicKey });
  try {
    return new Uint8Array(
      hkdfSync('sha256', secret, ephemeralSpki, 'certmill key share 1', keyOctets),
    );
  } finally {
    secret.fill(0);
  }
}
