import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, type StatusAddresses } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { certificatesInPem, readCaCertificate } from './ca-certificate.js';
import { certificateOf, specOfCertificate } from './certificate-spec.js';
import { type CrossCertificate, crossCertifyLocked } from './cross-certify.js';
import { withCaLocks } from './folder-lock.js';
import { firstLifetime } from './renewed-end.js';
import { newRoot } from './issue-authority.js';
import { writeIssuerFolder } from './issuer-folder.js';
import { alternativeFolderName, rootName } from './issuer-paths.js';
import { findAuthority, type Issuer } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { assertNewKeyPlace, type NewCaKeyWish } from './new-ca-key.js';
import { authorityIn, type AuthorityPlace, openAuthority } from './open-authority.js';
import { addRevokedBefore, revokedBefore } from './revoked-before.js';
import { lostKeysIn } from './revocations-in-folder.js';

export interface RootRekeyOptions {
  /** The data folder of the root, and what opens its key. */
  readonly from: Omit<AuthorityPlace, 'name'>;
  /** The data folder of the root with the new key, and what encrypts that. */
  readonly into: Omit<AuthorityPlace, 'name'>;
  /** The module that makes the new key and keeps it; absent: it lies in a file. */
  readonly slot?: NewCaKeyWish['slot'];
  /** Default: as before. */
  readonly keyType?: IssuerKeyType;
  /** Of the new root; absent: no expiration. */
  readonly lifetimeSeconds?: number;
  /** Of what the new root signs: its CRLs are others than those of the key before. */
  readonly status?: StatusAddresses;
  readonly nowMs: number;
}

/** What a root with a new key is told by (RFC 9810 4.4). */
export interface RekeyedRoot {
  /** NewWithNew: trusted from now on. */
  readonly root: Issuer;
  /** The new key by the old one: for who trusts the old root. */
  readonly newWithOld: CrossCertificate;
  /** The old key by the new one: for what the old root signed, where the new one is trusted. */
  readonly oldWithNew: CrossCertificate;
}

/**
 * Gives a root a new key: a root of the same subject and constraints in a folder of its own, and the two
 * certificates by which each key vouches for the other, in `alternative/` of either. Typed again after
 * a kill, it goes on with what is there. The new one signs nothing over keys that the one before has revoked or knows to
 * be lost; typed again, it hears of those since. NOT_FOUND; CONFLICT where the key before is lost itself, and where another root is in the new folder;
 * INVALID_INPUT as `createRoot`, and where both would tell the status of CAs at one address.
 */
export async function rekeyRoot(options: RootRekeyOptions): Promise<RekeyedRoot> {
  const { from, into } = options;
  // Before anything is there of the new one.
  assertRekeyed(await authorityIn(from.directory, rootName), options);
  return withCaLocks(into.directory, from.directory, async () => rekeyRootLocked(options));
}

async function rekeyRootLocked(options: RootRekeyOptions): Promise<RekeyedRoot> {
  const { into, nowMs } = options;
  const from: AuthorityPlace = { ...options.from, name: rootName };
  const before = (await openAuthority(from, nowMs)).ca;
  assertRekeyed(before, options);
  const root =
    (await findAuthority(into.directory, rootName)) ?? (await successorOf(before, options));
  assertSuccessor(root, before, options);
  const next: AuthorityPlace = { ...into, name: rootName };
  await openAuthority(next, nowMs);
  await addRevokedBefore(root, revokedBefore(from.directory, before));
  return {
    root,
    newWithOld: await crossed(root, before, { ...into, by: from, nowMs }),
    oldWithNew: await crossed(before, root, { ...from, by: next, nowMs }),
  };
}

function assertRekeyed(before: Issuer, { from, status, slot }: RootRekeyOptions): void {
  assertKeyVouches(from.directory, before);
  assertOwnStatus(before, status);
  assertNewKeyPlace(before, slot);
}

/** What a lost key says of another one is worth nothing. */
function assertKeyVouches(directory: string, { spkiDer }: Issuer): void {
  const lost = lostKeysIn(directory).get(keySha256Of(spkiDer));
  if (lost === undefined) return;
  const { subject, reason } = lost.entry;
  throw new CertmillError(
    'CONFLICT',
    `the key of ${subject} is lost: ${lost.by} has revoked it (${reason}); make another root, which it does not ` +
      'vouch for: certmill ca root',
  );
}

async function successorOf(before: Issuer, options: RootRekeyOptions): Promise<Issuer> {
  const { into, status, slot, nowMs } = options;
  const { lifetimeSeconds } =
    options.lifetimeSeconds === undefined ? await firstLifetime(before) : options;
  const { subjectDer, pathLenConstraint, nameConstraints, policies, extKeyUsage } =
    specOfCertificate(certificateOf(before));
  const wish = {
    ...into,
    subjectDer,
    keyType: options.keyType ?? before.keyType,
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    ...(policies === undefined ? {} : { policies }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    ...(status === undefined ? {} : { status }),
    ...(slot === undefined ? {} : { slot }),
  };
  await writeIssuerFolder(into.directory, rootName, {
    ...(await newRoot(wish, nowMs)),
    revokedBefore: revokedBefore(options.from.directory, before),
  });
  return authorityIn(into.directory, rootName);
}

/** The cross-certificate that is there, or a new one. */
async function crossed(
  ca: Issuer,
  by: Issuer,
  options: { readonly directory: string; readonly by: AuthorityPlace; readonly nowMs: number },
): Promise<CrossCertificate> {
  const { directory, by: place, nowMs } = options;
  const found = await alternativeBy(ca, by);
  return found ?? crossCertifyLocked({ directory, name: rootName, by: place, nowMs });
}

async function alternativeBy(ca: Issuer, by: Issuer): Promise<CrossCertificate | undefined> {
  const folder = join(ca.directory, alternativeFolderName);
  for (const name of await namesIn(folder)) {
    const file = join(folder, name);
    const chainDer = certificatesInPem(await readFile(file, 'utf8'));
    const [, above] = chainDer.map((der) => readCaCertificate(der, `a certificate in ${file}`));
    if (above !== undefined && Buffer.compare(above.spkiDer, by.spkiDer) === 0) {
      return { chainDer, file };
    }
  }
  return undefined;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.pem')).sort();
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

function assertSuccessor(root: Issuer, before: Issuer, { keyType }: RootRekeyOptions): void {
  if (
    Buffer.compare(root.subjectDer, before.subjectDer) === 0 &&
    Buffer.compare(root.spkiDer, before.spkiDer) !== 0 &&
    root.keyType === (keyType ?? before.keyType)
  ) {
    return;
  }
  throw new CertmillError(
    'CONFLICT',
    `${root.directory} is there already, and is not the root with the new key: give another folder`,
  );
}

/** Both have one name: what is revoked by one key must not stand where the other one's CRL is. */
function assertOwnStatus(before: Issuer, status: StatusAddresses | undefined): void {
  if (before.status === undefined) return;
  if (status !== undefined && status.baseUri !== before.status.baseUri) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `the CRL of the root with the new key needs an address of its own, not ${before.status.baseUri}`,
  );
}
