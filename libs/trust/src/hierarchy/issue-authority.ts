import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CertmillError, type StatusAddresses } from '@certmill/domain';
import { type NameConstraints, pemEncode, type WritableSubtree } from '@certmill/der';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { readCaCertificate } from './ca-certificate.js';
import type { CaModules, CaSlot } from './ca-slot.js';
import type { BoundOrder } from './ca-description.js';
import { type CaProfile, issueProfiledCaCertificate } from './ca-profiles.js';
import {
  type CaCertificateSpec,
  newCaSerialNumber,
  noExpirationMs,
} from './issue-ca-certificate.js';
import { withCaLock, withCaLocks } from './folder-lock.js';
import { assertNewIssuer, type IssuerFolderContent, writeIssuerFolder } from './issuer-folder.js';
import { assertIssuerName, issuedFolderName, rootName } from './issuer-paths.js';
import { type Issuer } from './load-issuers.js';
import { newCaKey } from './new-ca-key.js';
import { assertOwnName } from './own-name.js';
import { authorityIn, type AuthorityPlace, openAuthority } from './open-authority.js';
import type { RevokedKey } from './revoked-before.js';
import { statusUnder } from './status-under.js';

/** What a new CA is to be: what its certificate says, and what it is used for. */
export interface AuthorityWish {
  readonly name: string;
  /** The data folder that it gets its place in, `<directory>/ca/<name>`. */
  readonly directory: string;
  /** Encrypts its key. */
  readonly passphrase: string;
  /** The Name element (`distinguishedNameDer`). */
  readonly subjectDer: Uint8Array;
  readonly keyType: IssuerKeyType;
  /** How long it lives; absent: as long as its parent. */
  readonly lifetimeSeconds?: number;
  /** CAs that may follow below it; 0 makes an issuing CA, anything else an intermediate. */
  readonly pathLenConstraint?: number;
  readonly nameConstraints?: NameConstraints<WritableSubtree>;
  readonly policies?: readonly string[];
  readonly extKeyUsage?: readonly string[];
  /** Where the status of what it issues is told (ADR 0020). */
  readonly status?: StatusAddresses;
  /** It serves this order and nothing else. */
  readonly order?: BoundOrder;
  /** The module that makes its key and keeps it; absent: the key lies in a file. */
  readonly slot?: Omit<CaSlot, 'keyId'>;
  readonly modules?: CaModules;
  /** The standard that its certificate keeps; subject, key and path length are of `caOfProfile`. */
  readonly profile?: CaProfile;
}

export interface RootWish extends Omit<AuthorityWish, 'name' | 'order'> {
  /** Of the root before: it signs nothing over these keys. */
  readonly revokedBefore?: readonly RevokedKey[];
}

/** A root signs few certificates for very long: clocks of the first devices may be slow. */
export const backdateMs = 60_000;

/**
 * Makes a root in a folder of its own or in a data folder: `<directory>/ca/root`. CONFLICT where one is
 * there, or a CA of the subject; INVALID_INPUT as `issueProfiledCaCertificate`.
 */
export async function createRoot(wish: RootWish, nowMs: number): Promise<Issuer> {
  const folder = await newRoot(wish, nowMs);
  await withCaLock(wish.directory, async () => writeIssuerFolder(wish.directory, rootName, folder));
  return authorityIn(wish.directory, rootName);
}

/** What the folder of a new root is to hold; nothing is written. Throws as `createRoot`. */
export async function newRoot(wish: RootWish, nowMs: number): Promise<IssuerFolderContent> {
  const { directory, status } = wish;
  if (wish.pathLenConstraint === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'a root signs CAs: with the path length 0 none could stand below it',
    );
  }
  await assertNewIssuer(directory, rootName);
  assertOwnName(directory, wish);
  const { signer, content } = await newCaKey(wish);
  const notBeforeMs = backdated(nowMs);
  const certificateDer = await issueProfiledCaCertificate(
    wish.profile,
    { ...specOf(wish), notBeforeMs, notAfterMs: endOf(wish, notBeforeMs, noExpirationMs) },
    signer.subjectPKInfoDer,
    { signer },
  );
  return {
    chainDer: [certificateDer],
    ...content,
    ...(status === undefined ? {} : { status }),
    ...(wish.revokedBefore === undefined ? {} : { revokedBefore: wish.revokedBefore }),
  };
}

/**
 * Makes a CA under one whose key is at hand: an intermediate or an issuing CA, with a key of its own.
 * The parent may lie in another folder, such as that of an offline root. Nothing is there, or all of
 * it; what its parent has recorded of one that is not there was given to nobody. Throws as
 * `openAuthority` and `issueProfiledCaCertificate`; CONFLICT where the name is taken,
 * as that of the folder or as the subject (`assertOwnName`).
 */
export async function issueAuthority(
  wish: AuthorityWish,
  place: AuthorityPlace,
  nowMs: number,
): Promise<Issuer> {
  const { name, directory } = wish;
  assertIssuerName(name);
  assertOrderOfIssuer(wish);
  await assertNewIssuer(directory, name);
  assertOwnName(directory, wish);
  await openAuthority(place, nowMs);
  // A key in a file may take seconds to make: nobody waits for it. A token is asked whether it has one first.
  const made = wish.slot === undefined ? await newCaKey(wish) : undefined;
  return withCaLocks(directory, place.directory, async () => {
    // Another command may have made it meanwhile: what is refused has signed nothing.
    await assertNewIssuer(directory, name);
    assertOwnName(directory, wish);
    const { signer, content } = made ?? (await newCaKey(wish));
    const parent = await openAuthority(place, nowMs);
    const notBeforeMs = Math.max(backdated(nowMs), parent.ca.notBeforeMs);
    const certificateDer = await issueProfiledCaCertificate(
      wish.profile,
      {
        ...specOf(wish),
        notBeforeMs,
        notAfterMs: endOf(wish, notBeforeMs, parent.ca.notAfterMs),
        ...statusOf(parent.ca),
      },
      signer.subjectPKInfoDer,
      parent,
    );
    await recordIssued(parent.ca, certificateDer);
    const folder: IssuerFolderContent = {
      chainDer: [certificateDer, ...parent.ca.chainDer],
      ...content,
      ...(wish.status === undefined ? {} : { status: wish.status }),
      description: {
        role: roleOf(wish),
        ...(place.directory === directory ? { parent: place.name } : {}),
        ...(wish.order === undefined ? {} : { order: wish.order }),
      },
    };
    // Before the CA: once it is there, nothing is missing.
    await openSerialKeys(directory);
    await writeIssuerFolder(directory, name, folder);
    return authorityIn(directory, name);
  });
}

/**
 * Keeps a CA certificate with the CA that signed it, before anybody else has it: what a CA has signed
 * can be told, and revoked, from its own folder.
 */
export async function recordIssued(parent: Issuer, certificateDer: Uint8Array): Promise<void> {
  const file = join(parent.directory, issuedFileOf(certificateDer));
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  await writeFileAtomically(file, pemEncode('CERTIFICATE', certificateDer), publicFileMode);
}

/** Where a CA certificate is kept in the folder of the CA that signed it. */
export function issuedFileOf(certificateDer: Uint8Array): string {
  const { serialNumber } = readCaCertificate(certificateDer, 'the CA certificate');
  return `${issuedFolderName}/${Buffer.from(serialNumber).toString('hex')}.pem`;
}

export function roleOf({ pathLenConstraint }: Pick<AuthorityWish, 'pathLenConstraint'>) {
  return pathLenConstraint === 0 ? ('issuing' as const) : ('intermediate' as const);
}

/** What a wish says of the certificate, with a new serial number; validity is its caller's. */
export function specOf(
  wish: Omit<AuthorityWish, 'name' | 'order'>,
): Omit<CaCertificateSpec, 'notBeforeMs' | 'notAfterMs'> {
  const { subjectDer, pathLenConstraint, nameConstraints, policies, extKeyUsage } = wish;
  return {
    subjectDer,
    serialNumber: newCaSerialNumber(),
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    ...(policies === undefined ? {} : { policies }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
  };
}

/** Where the status of a CA certificate is told that this CA signs. */
export function statusOf(parent: Issuer): Pick<CaCertificateSpec, 'status'> {
  return parent.status === undefined ? {} : { status: statusUnder(parent.status, parent.name) };
}

export function backdated(nowMs: number): number {
  return Math.floor((nowMs - backdateMs) / 1_000) * 1_000;
}

/** The last second of a lifetime (RFC 5280 4.1.2.5: both ends included), at most `latestMs`. */
export function endOf(
  { lifetimeSeconds }: Pick<AuthorityWish, 'lifetimeSeconds'>,
  notBeforeMs: number,
  latestMs: number,
): number {
  if (lifetimeSeconds === undefined) return latestMs;
  if (!Number.isSafeInteger(lifetimeSeconds) || lifetimeSeconds < 1) {
    throw new CertmillError('INVALID_INPUT', 'the lifetime of a CA is a number of seconds');
  }
  const notAfterMs = notBeforeMs + (lifetimeSeconds - 1) * 1_000;
  if (notAfterMs > latestMs) {
    throw new CertmillError(
      'INVALID_INPUT',
      `the CA would live longer than its parent, until ${new Date(latestMs).toISOString()}`,
    );
  }
  return notAfterMs;
}

export function assertOrderOfIssuer(
  wish: Pick<AuthorityWish, 'order' | 'pathLenConstraint'>,
): void {
  if (wish.order === undefined || wish.pathLenConstraint === 0) return;
  throw new CertmillError(
    'INVALID_INPUT',
    'only an issuing CA (path length 0) can be made for an order',
  );
}
