import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import {
  readCaCertificate,
  certificatesInPem,
  type CaCertificate,
} from '../hierarchy/ca-certificate.js';
import { caSignerOf, type CaSigner } from '../hierarchy/ca-key.js';
import type { CaModules, CaSlot } from '../hierarchy/ca-slot.js';
import { authorityIn, signerIn } from '../hierarchy/open-authority.js';
import { issuerPathsOf } from '../hierarchy/issuer-paths.js';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import type { StepStage } from './ceremony-folder.js';
import type { CeremonyFile, Participant } from './ceremony-file.js';
import { type CustodianSecret, type KeyShare, parseKeyShare, type ShareLock } from './key-share.js';
import { participantsIn } from './parse-ceremony.js';
import {
  type BroughtShare,
  parseSealedSecret,
  recoverSecret,
  type SealedSecret,
  splitSecret,
} from './split-secret.js';

/** Where secrets come from: people at the machine, or a rehearsal that makes them up. */
export interface Custody {
  /** Of the keys that lie whole in the data folder. */
  folderPassphrase(): Promise<string>;
  /** What the share of a custodian is to be encrypted to. */
  lockOf(custodian: Participant): Promise<ShareLock>;
  /** Undefined where the custodian is not there. */
  secretOf(share: KeyShare): Promise<CustodianSecret | undefined>;
  /** Shares that custodians brought, beside those of this ceremony. */
  readonly shares: readonly KeyShare[];
  /** Reaches keys that never leave their module. */
  readonly modules?: CaModules;
  /** Tokens that may make one. */
  readonly slots?: readonly Omit<CaSlot, 'keyId'>[];
}

/** What a step works with. */
export interface StepContext {
  readonly ceremony: CeremonyFile;
  readonly dataDirectory: string;
  readonly nowMs: number;
  readonly custody: Custody;
  readonly stage: StepStage;
  /** Shares that steps before have made. */
  readonly ownShares: readonly KeyShare[];
  /** A file that the ceremony names, checked against its hash and kept in the record. */
  input(input: { readonly file: string; readonly sha256: string }): Promise<Uint8Array>;
}

/** What a step tells the transcript, beside its files. */
export type StepFacts = Readonly<Record<string, unknown>>;

export const sealedKeyFileName = 'key.sealed.json';

/** Seals a secret, and puts the shares of all custodians out. */
export async function splitAmongCustodians(
  secret: Uint8Array,
  purpose: string,
  { ceremony, custody, stage }: StepContext,
): Promise<SealedSecret> {
  const people = participantsIn(ceremony, 'custodian');
  const custodians = await Promise.all(
    people.map(async (person) => ({ name: person.name, lock: await custody.lockOf(person) })),
  );
  const { sealed, shares } = await splitSecret(secret, {
    purpose,
    ceremonyId: ceremony.id,
    threshold: ceremony.quorum.shares ?? 0,
    custodians,
  });
  // What the custodians carry away is what they can be asked for.
  parseSealedSecret(JSON.stringify(sealed), purpose);
  for (const share of shares) {
    const name = `${purpose.replaceAll(/[^a-z0-9-]+/g, '-')}.${share.custodian}.share.json`;
    const text = `${JSON.stringify(share, undefined, 2)}\n`;
    parseKeyShare(text, name);
    await stage.output(name, text, true);
  }
  return sealed;
}

/** Opens a sealed secret with shares of whoever is there; the caller wipes what it gets. */
export async function openSealed(
  sealed: SealedSecret,
  { custody, ownShares }: StepContext,
): Promise<Uint8Array> {
  const brought: BroughtShare[] = [];
  const candidates = [...custody.shares, ...ownShares].filter(
    ({ secretId }) => secretId === sealed.secretId,
  );
  // A share of another secret is told, unless enough others are there.
  const strangers = custody.shares.filter(
    ({ purpose, secretId }) => purpose === sealed.purpose && secretId !== sealed.secretId,
  );
  for (const share of [...candidates, ...strangers]) {
    if (brought.length === sealed.threshold) break;
    if (brought.some((one) => one.share.custodian === share.custodian)) continue;
    const secret = await custody.secretOf(share);
    if (secret !== undefined) brought.push({ share, secret });
  }
  return recoverSecret(sealed, brought);
}

/** The certificate of a CA of the data folder. NOT_FOUND. */
export async function caCertificateIn(dataDirectory: string, ca: string): Promise<CaCertificate> {
  const file = issuerPathsOf(dataDirectory, ca).certificateFile;
  const pem = await readTextOrUndefined(file);
  const [der] = pem === undefined ? [] : certificatesInPem(pem);
  if (der === undefined) throw new CertmillError('NOT_FOUND', `there is no CA '${ca}'`);
  return readCaCertificate(der, `the certificate of ${ca}`);
}

/** Where the key of a CA lies; undefined where it has none in files. */
export async function keyFormOf(
  dataDirectory: string,
  ca: string,
): Promise<'sealed' | 'whole' | undefined> {
  const { directory, keyFile } = issuerPathsOf(dataDirectory, ca);
  if ((await readTextOrUndefined(join(directory, sealedKeyFileName))) !== undefined)
    return 'sealed';
  return (await readTextOrUndefined(keyFile)) === undefined ? undefined : 'whole';
}

/** The key of a CA as PKCS#8, checked against its certificate; the caller wipes it. */
export async function openCaKey(ca: string, context: StepContext): Promise<Uint8Array> {
  const { dataDirectory, custody } = context;
  const certificate = await caCertificateIn(dataDirectory, ca);
  const { directory, keyFile } = issuerPathsOf(dataDirectory, ca);
  const sealedFile = join(directory, sealedKeyFileName);
  const sealedText = await readTextOrUndefined(sealedFile);
  const wholePem = sealedText === undefined ? await readTextOrUndefined(keyFile) : undefined;
  if (sealedText === undefined && wholePem === undefined) {
    throw await keyNotFound(dataDirectory, ca);
  }
  const pkcs8 =
    sealedText === undefined
      ? wholeKey(wholePem ?? '', await custody.folderPassphrase(), keyFile)
      : await openSealed(parseSealedSecret(sealedText, sealedFile), context);
  assertKeyOf(certificate, pkcs8, ca);
  return pkcs8;
}

/** NOT_FOUND, with the token where the key is in one. */
export async function keyNotFound(dataDirectory: string, ca: string): Promise<CertmillError> {
  const { slot } = await authorityIn(dataDirectory, ca);
  return new CertmillError(
    'NOT_FOUND',
    slot === undefined
      ? `the key of CA '${ca}' is not in this folder`
      : `the key of CA '${ca}' is in token ${slot.token}: only the tools of its module copy or destroy it`,
  );
}

function wholeKey(pem: string, passphrase: string, file: string): Uint8Array {
  return decryptPrivateKey(pem, passphrase, `the key ${file}`).export({
    format: 'der',
    type: 'pkcs8',
  });
}

/** FAULT_KEY_MISMATCH where a key is not that of the certificate. */
export function assertKeyOf(certificate: CaCertificate, pkcs8: Uint8Array, ca: string): void {
  const key = createPrivateKey({
    key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  if (Buffer.compare(spki, certificate.spkiDer) === 0) return;
  throw new CertmillError(
    'FAULT_KEY_MISMATCH',
    `the key of CA '${ca}' does not belong to its certificate`,
  );
}

/**
 * Uses the key of a CA for one thing, put together for as long as that takes, or in its module.
 * node:crypto keeps a copy of its own until the key object is collected; the process ends soon.
 */
export async function withCaKey<T>(
  ca: string,
  context: StepContext,
  use: (signer: CaSigner) => Promise<T>,
): Promise<T> {
  const found = await authorityIn(context.dataDirectory, ca);
  const { modules } = context.custody;
  if (found.slot !== undefined && modules !== undefined) {
    return use(await signerIn(found.slot, found, modules));
  }
  const pkcs8 = await openCaKey(ca, context);
  try {
    const { spkiDer } = await caCertificateIn(context.dataDirectory, ca);
    const key = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8',
    });
    return await use(caSignerOf(key, spkiDer));
  } finally {
    pkcs8.fill(0);
  }
}

export async function readTextOrUndefined(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}
