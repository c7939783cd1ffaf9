import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { type NameConstraints, pemEncode, type WritableSubtree } from '@certmill/der';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { retirementFileName, writeRetirement } from './ca-description.js';
import { checkedFileName, digestOfChain } from './ca-files.js';
import { generateCaKey } from './ca-key.js';
import { checkChain } from './check-chain.js';
import { withCaLock } from './folder-lock.js';
import {
  type CaCertificateSpec,
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from './issue-ca-certificate.js';
import { assertPassphrase, backdated, endOf, recordIssued, statusOf } from './issue-authority.js';
import { assertNoIssuer, writeIssuerFolder } from './issuer-folder.js';
import { assertIssuerName, issuerPathsOf } from './issuer-paths.js';
import { type Issuer, loadAuthorities } from './load-issuers.js';
import {
  authorityIn,
  type AuthorityPlace,
  openAuthority,
  openAuthorityKey,
} from './open-authority.js';

export interface RenewalOptions {
  /** The data folder of the CA. */
  readonly directory: string;
  readonly name: string;
  /** The CA above it, with its key; for a root itself. */
  readonly parent: AuthorityPlace;
  readonly lifetimeSeconds?: number;
  readonly nowMs: number;
}

/**
 * A new certificate for the same subject and key, with a new validity and all else as it was. It
 * begins when the first one did: what was issued lies in its life, and what is on its way is issued
 * with the times that it would have had. The certificate before is kept in `former/`. Chains of this
 * folder that go through the CA have the new certificate afterwards.
 */
export async function renewAuthority(options: RenewalOptions): Promise<Issuer> {
  const { directory, name, parent: place, nowMs } = options;
  return withCaLock(directory, async () => {
    const ca = await authorityIn(directory, name);
    if (ca.revoked !== undefined) {
      throw new CertmillError('CONFLICT', `CA '${name}' is revoked: it is not renewed`);
    }
    const isRoot = ca.role === 'root';
    const parent = isRoot ? await openAuthorityKey(place) : await openAuthority(place, nowMs);
    const before = certificateOf(ca);
    assertIssuedBy(before, parent.ca);
    const notBeforeMs = before.notBeforeMs;
    const latestMs = isRoot ? noExpirationMs : parent.ca.notAfterMs;
    // The lifetime counts from now on.
    const notAfterMs = endOf(options, backdated(nowMs), latestMs);
    const spec = { ...specOfCertificate(before), notBeforeMs, notAfterMs };
    const certificateDer = await issueCaCertificate(
      isRoot ? spec : { ...spec, ...statusOf(parent.ca) },
      before.spkiDer,
      isRoot ? { signer: parent.signer } : parent,
    );
    if (!isRoot) await recordIssued(parent.ca, certificateDer);
    const above = isRoot ? [] : parent.ca.chainDer;
    await replaceCertificate(directory, ca, [certificateDer, ...above]);
    return authorityIn(directory, name);
  });
}

export interface RekeyOptions extends RenewalOptions {
  /** Name of the CA with the new key. */
  readonly successor: string;
  readonly keyType?: IssuerKeyType;
  readonly passphrase: string;
}

/**
 * A CA of the same subject with a new key and a new name. The one before is retired: it opens no
 * further order, and its key stays for the status of what it has issued.
 */
export async function rekeyAuthority(options: RekeyOptions): Promise<Issuer> {
  const { directory, name, successor, passphrase, parent: place, nowMs } = options;
  assertIssuerName(successor);
  assertPassphrase(passphrase);
  return withCaLock(directory, async () => {
    const ca = await authorityIn(directory, name);
    if (ca.role === 'root') {
      throw new CertmillError(
        'INVALID_INPUT',
        "a root gets a new key as a new root in a folder of its own; 'certmill ca cross' joins both",
      );
    }
    await assertNoIssuer(directory, successor);
    const parent = await openAuthority(place, nowMs);
    const before = certificateOf(ca);
    const key = await generateCaKey(options.keyType ?? ca.keyType);
    const notBeforeMs = Math.max(backdated(nowMs), parent.ca.notBeforeMs);
    const certificateDer = await issueCaCertificate(
      {
        ...specOfCertificate(before),
        notBeforeMs,
        notAfterMs: endOf(options, notBeforeMs, parent.ca.notAfterMs),
        ...statusOf(parent.ca),
      },
      key.subjectPKInfoDer,
      parent,
    );
    await recordIssued(parent.ca, certificateDer);
    await writeIssuerFolder(directory, successor, {
      chainDer: [certificateDer, ...parent.ca.chainDer],
      key: { pkcs8Der: key.privateKey.export({ format: 'der', type: 'pkcs8' }), passphrase },
      ...(ca.status === undefined ? {} : { status: ca.status }),
      description: {
        role: ca.role,
        ...(place.directory === directory ? { parent: place.name } : {}),
        ...(ca.order === undefined ? {} : { order: ca.order }),
      },
    });
    const retirement = { successor, retiredAtMs: nowMs };
    await writeRetirement(join(ca.directory, retirementFileName), retirement);
    return authorityIn(directory, successor);
  });
}

export interface CrossOptions {
  /** The data folder of the CA that gets another certificate; its key is not needed. */
  readonly directory: string;
  readonly name: string;
  /** The CA that vouches for it, with its key. */
  readonly by: AuthorityPlace;
  readonly lifetimeSeconds?: number;
  /** Of the cross-certificate; that of the CA's own certificate where absent. */
  readonly pathLenConstraint?: number;
  readonly nameConstraints?: NameConstraints<WritableSubtree>;
  readonly nowMs: number;
}

/**
 * A cross-certificate (RFC 5280 3.2): subject and key of a CA, signed by another one. It lies beside the
 * chain as an alternative one: the chain that is in force stays.
 * @returns the chain over the other CA, the cross-certificate first, and its file.
 */
export async function crossCertify(
  options: CrossOptions,
): Promise<{ readonly chainDer: readonly Uint8Array[]; readonly file: string }> {
  const { directory, name, by: place, pathLenConstraint, nameConstraints, nowMs } = options;
  return withCaLock(directory, async () => {
    const ca = await authorityIn(directory, name);
    const by = await openAuthority(place, nowMs);
    if (Buffer.compare(by.ca.spkiDer, ca.spkiDer) === 0) {
      throw new CertmillError('INVALID_INPUT', 'a CA does not cross-certify itself');
    }
    const own = certificateOf(ca);
    const notBeforeMs = Math.max(backdated(nowMs), by.ca.notBeforeMs);
    const latestMs = Math.min(own.notAfterMs, by.ca.notAfterMs);
    const certificateDer = await issueCaCertificate(
      {
        ...specOfCertificate(own),
        ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
        ...(nameConstraints === undefined ? {} : { nameConstraints }),
        notBeforeMs,
        notAfterMs: endOf(options, notBeforeMs, latestMs),
        ...statusOf(by.ca),
      },
      own.spkiDer,
      by,
    );
    await recordIssued(by.ca, certificateDer);
    const chainDer = [certificateDer, ...by.ca.chainDer];
    const folder = join(ca.directory, alternativeFolderName);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    const file = join(folder, `${serialOf(certificateDer)}.pem`);
    await writeFileAtomically(file, pemsOf(chainDer), publicFileMode);
    return { chainDer, file };
  });
}

/** Chains over other CAs than that of the chain in force, one file each. */
export const alternativeFolderName = 'alternative';
const formerFolderName = 'former';

/**
 * Puts a new certificate of the same subject and key in the place of a CA's, and into every chain of
 * the folder that goes through it. Each file changes at once or not at all; after a kill in between,
 * the chains that are left are sound, over the certificate before.
 */
export async function replaceCertificate(
  directory: string,
  ca: Issuer,
  chainDer: readonly Uint8Array[],
): Promise<void> {
  checkChain(
    chainDer.map((der, index) => readCaCertificate(der, `certificate ${String(index + 1)}`)),
    undefined,
  );
  const [before = new Uint8Array()] = ca.chainDer;
  const former = join(ca.directory, formerFolderName);
  await mkdir(former, { recursive: true, mode: 0o755 });
  await writeFileAtomically(
    join(former, `${ca.serialNumberHex}.pem`),
    pemsOf([before]),
    publicFileMode,
  );
  await writeChain(directory, ca.name, chainDer);
  for (const { name, chainDer: chain } of await loadAuthorities(directory)) {
    const at = chain.findIndex((der) => Buffer.compare(der, before) === 0);
    if (at <= 0) continue;
    await writeChain(directory, name, [...chain.slice(0, at), ...chainDer]);
  }
}

async function writeChain(
  directory: string,
  name: string,
  chainDer: readonly Uint8Array[],
): Promise<void> {
  const paths = issuerPathsOf(directory, name);
  const pem = pemsOf(chainDer);
  await writeFileAtomically(paths.certificateFile, pemsOf(chainDer.slice(0, 1)), publicFileMode);
  await writeFileAtomically(paths.chainFile, pem, publicFileMode);
  const digest = `${digestOfChain(pem)}\n`;
  await writeFileAtomically(join(paths.directory, checkedFileName), digest, publicFileMode);
}

/** What a certificate says, to be said again. INVALID_INPUT where it says what is not written here. */
export function specOfCertificate(
  certificate: CaCertificate,
): Omit<CaCertificateSpec, 'notBeforeMs' | 'notAfterMs'> {
  const { subjectDer, pathLenConstraint, keyUsage = [] } = certificate;
  const { policies, extKeyUsage } = certificate.limits;
  const own = keyUsage.filter((usage) => usage !== 'keyCertSign' && usage !== 'cRLSign');
  const constraints = writableConstraints(certificate.limits.nameConstraints);
  return {
    subjectDer,
    serialNumber: newCaSerialNumber(),
    keyUsage: own,
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
    ...(policies === undefined ? {} : { policies }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(constraints === undefined ? {} : { nameConstraints: constraints }),
  };
}

/** Throws INVALID_INPUT where a subtree is of a form that cannot be written. */
export function writableConstraints(
  constraints: NameConstraints | undefined,
): NameConstraints<WritableSubtree> | undefined {
  if (constraints === undefined) return undefined;
  const { permitted, excluded } = constraints;
  if (permitted.every(isWritable) && excluded.every(isWritable)) return { permitted, excluded };
  throw new CertmillError('INVALID_INPUT', 'nameConstraints of this form cannot be written');
}

function isWritable(subtree: NameConstraints['permitted'][number]): subtree is WritableSubtree {
  return (
    subtree.kind === 'iPAddress' ||
    subtree.kind === 'directoryName' ||
    subtree.kind === 'dNSName' ||
    subtree.kind === 'rfc822Name' ||
    subtree.kind === 'uniformResourceIdentifier'
  );
}

function assertIssuedBy(certificate: CaCertificate, parent: Issuer): void {
  if (Buffer.compare(certificate.issuerDer, parent.subjectDer) === 0) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `CA '${parent.name}' is not the issuer of this certificate; 'certmill ca cross' makes one under another CA`,
  );
}

function certificateOf(ca: Issuer): CaCertificate {
  return readCaCertificate(
    ca.chainDer[0] ?? new Uint8Array(),
    `the certificate of CA '${ca.name}'`,
  );
}

function serialOf(certificateDer: Uint8Array): string {
  const { serialNumber } = readCaCertificate(certificateDer, 'the certificate');
  return Buffer.from(serialNumber).toString('hex');
}

function pemsOf(chainDer: readonly Uint8Array[]): string {
  return chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
}
