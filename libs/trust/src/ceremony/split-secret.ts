import { createCipheriv, createDecipheriv, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { combine, split } from 'shamir-secret-sharing';
import { z } from 'zod';
import { canonicalJson, CertmillError, isCertmillError } from '@certmill/domain';
import { base64, base64Text, hex } from './field-schemas.js';
import {
  closeShare,
  type Custodian,
  type CustodianSecret,
  type KeyShare,
  openShare,
} from './key-share.js';
import { participantName } from './participants.js';
import { bulkCharacters, parseStatement } from './statement-file.js';

const keyOctets = 32;
const ivOctets = 12;

/** The plain part of a sealed secret: authenticated by the cipher, and readable by everybody. */
const headShape = {
  type: z.literal('certmill-sealed-secret'),
  version: z.literal(1),
  /** What lies in it, such as `key root`. */
  purpose: z.string().min(1).max(200),
  ceremonyId: hex(16),
  /** Shares and sealed secret belong together by this. */
  secretId: hex(16),
  threshold: z.int().min(2).max(255),
  /** Who holds which share; a share is known by its commitment. */
  custodians: z
    .array(z.strictObject({ name: participantName, commitment: hex(32) }))
    .min(2)
    .max(255),
} as const;
const sealedSchema = z.strictObject({
  ...headShape,
  iv: base64(ivOctets),
  tag: base64(16),
  ciphertext: base64Text,
});

/**
 * A secret under a random key that is split among custodians (Shamir's scheme, ADR 0021): this file
 * alone is useless, and so are all shares without it.
 */
export type SealedSecret = z.infer<typeof sealedSchema>;

export interface SplitOptions {
  readonly purpose: string;
  readonly ceremonyId: string;
  /** How many shares open it; at least 2. */
  readonly threshold: number;
  readonly custodians: readonly Custodian[];
}

/**
 * Seals a secret and splits the key of the seal; the key is wiped before it returns.
 * @param secret stays the caller's, who wipes it.
 */
export async function splitSecret(
  secret: Uint8Array,
  options: SplitOptions,
): Promise<{ readonly sealed: SealedSecret; readonly shares: readonly KeyShare[] }> {
  const { purpose, ceremonyId, threshold, custodians } = options;
  if (threshold < 2 || custodians.length < threshold) {
    throw new CertmillError(
      'INVALID_INPUT',
      `a key is split among at least 2 custodians, at least as many as open it`,
    );
  }
  const key = Uint8Array.from(randomBytes(keyOctets));
  const points = await split(key, custodians.length, threshold);
  try {
    const secretId = randomBytes(16).toString('hex');
    const head = {
      type: 'certmill-sealed-secret' as const,
      version: 1 as const,
      purpose,
      ceremonyId,
      secretId,
      threshold,
      custodians: custodians.map(({ name }, index) => ({
        name,
        commitment: commitmentOf(secretId, pointAt(points, index)),
      })),
    };
    const shares = await Promise.all(
      custodians.map(async (custodian, index) =>
        closeShare({ purpose, ceremonyId, secretId }, pointAt(points, index), custodian),
      ),
    );
    return { sealed: { ...head, ...encrypted(secret, key, head) }, shares };
  } finally {
    key.fill(0);
    for (const point of points) point.fill(0);
  }
}

/** A share that a custodian brought, and what opens it. */
export interface BroughtShare {
  readonly share: KeyShare;
  readonly secret: CustodianSecret;
}

/**
 * The secret, from as many shares as its threshold asks for; the caller wipes it.
 * Throws FORBIDDEN where there are too few, INVALID_INPUT for a share of another secret, one that is
 * damaged, or a wrong passphrase: with the custodian's name, and nothing of the secret.
 */
export async function recoverSecret(
  sealed: SealedSecret,
  brought: readonly BroughtShare[],
): Promise<Uint8Array> {
  const holders = new Set(brought.map(({ share }) => share.custodian));
  if (holders.size < brought.length) {
    throw new CertmillError('INVALID_INPUT', 'a custodian has brought two shares');
  }
  for (const { share } of brought) assertBelongs(share, sealed);
  if (brought.length < sealed.threshold) {
    throw new CertmillError(
      'FORBIDDEN',
      `${String(brought.length)} of ${String(sealed.threshold)} shares of ${sealed.purpose} are ` +
        `there; custodians: ${sealed.custodians.map(({ name }) => name).join(', ')}`,
    );
  }
  const points = await Promise.all(
    brought.map(async ({ share, secret }) => openedShare(share, secret, sealed)),
  );
  const key = await combine(points);
  try {
    return decrypted(sealed, key);
  } finally {
    key.fill(0);
    for (const point of points) point.fill(0);
  }
}

export function parseSealedSecret(text: string, fileName: string): SealedSecret {
  return parseStatement(text, fileName, 'sealed secret', sealedSchema, bulkCharacters);
}

function assertBelongs(share: KeyShare, sealed: SealedSecret): void {
  if (share.secretId === sealed.secretId && share.ceremonyId === sealed.ceremonyId) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `the share of ${share.custodian} belongs to another secret: ${share.purpose} of ceremony ` +
      `${share.ceremonyId}, wanted is ${sealed.purpose} of ceremony ${sealed.ceremonyId}`,
  );
}

async function openedShare(
  share: KeyShare,
  secret: CustodianSecret,
  sealed: SealedSecret,
): Promise<Uint8Array> {
  const point = await openShare(share, secret);
  const expected = sealed.custodians.find(({ name }) => name === share.custodian)?.commitment;
  if (expected !== undefined && isSame(expected, commitmentOf(sealed.secretId, point))) {
    return point;
  }
  point.fill(0);
  throw new CertmillError(
    'INVALID_INPUT',
    `the share of ${share.custodian} is not the one that was handed out`,
  );
}

/** Of 33 octets of which 32 are uniformly random: it tells nothing of them. */
function commitmentOf(secretId: string, point: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`certmill share ${secretId}\n`), point]), 'hex');
}

function isSame(leftHex: string, rightHex: string): boolean {
  return timingSafeEqual(Buffer.from(leftHex, 'hex'), Buffer.from(rightHex, 'hex'));
}

function pointAt(points: readonly Uint8Array[], index: number): Uint8Array {
  const point = points[index];
  if (point === undefined) throw new CertmillError('FAULT_PROCESSING', 'a share is missing');
  return point;
}

function encrypted(
  secret: Uint8Array,
  key: Uint8Array,
  head: object,
): Pick<SealedSecret, 'iv' | 'tag' | 'ciphertext'> {
  const iv = randomBytes(ivOctets);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(canonicalJson(head)));
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
  return {
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
}

function decrypted(sealed: SealedSecret, key: Uint8Array): Uint8Array {
  const { iv, tag, ciphertext, ...head } = sealed;
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'))
    .setAAD(Buffer.from(canonicalJson(head)))
    .setAuthTag(Buffer.from(tag, 'base64'));
  const first = decipher.update(Buffer.from(ciphertext, 'base64'));
  try {
    return Buffer.concat([first, decipher.final()]);
  } catch (error) {
    if (isCertmillError(error)) throw error;
    throw new CertmillError('INVALID_INPUT', `the sealed ${sealed.purpose} is damaged`);
  } finally {
    first.fill(0);
  }
}
