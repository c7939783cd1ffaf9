import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, type RevocationReason } from '@certmill/domain';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { caCrlTime } from './ca-crl-time.js';
import {
  type CertificateOverKey,
  certificatesOverKey,
  hasSigned,
  nameOfSigner,
} from './certificates-over-key.js';
import { isSameName } from './distinguished-name.js';
import { withCaLock } from './folder-lock.js';
import { formerFolderName, issuerPathsOf } from './issuer-paths.js';
import { findAuthority, type Issuer } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { authorityIn } from './open-authority.js';
import {
  isKeyLost,
  mergedEntry,
  type RevokedCa,
  revokedCasFileName,
  writeRevokedCas,
} from './revoked-cas.js';

/** CAs that a parent has revoked: a CRL of more is that of something else. */
const maxRevokedCas = 100_000;

export interface CaRevocationOptions {
  /** The data folder of the parent. */
  readonly directory: string;
  readonly parent: string;
  /** One of the CA's certificates; the others over its key are found. */
  readonly certificateDer: Uint8Array;
  readonly reason: RevocationReason;
  /**
   * A certificate that is not in force, of a CA of the folder whose key is not lost, is revoked alone. Where no CA
   * of the folder has the key nobody knows which one is in force, and all are.
   */
  readonly mayBeAlone?: boolean;
  readonly nowMs: number;
}

/** A certificate over the key that is not revoked with it: it stays good until who signed it does so. */
export interface CaNotCovered extends CertificateOverKey {
  /** Who signed it, where that CA is in the folder. */
  readonly signer: string | undefined;
}

export interface CaRevocationOutcome {
  /** The certificate that was named. */
  readonly revoked: RevokedCa;
  /** The others over its key that the parent has signed and that have not ended; none where it is revoked alone. */
  readonly others: readonly RevokedCa[];
  readonly isAlone: boolean;
  /** False where all of them were recorded so already: the first time and reason of each stay, unless the key is lost only now. */
  readonly isNew: boolean;
  readonly notCovered: readonly CaNotCovered[];
  /** Files of the folder whose certificates cannot be read: they may be over the key as well. */
  readonly unread: readonly string[];
}

export interface PlannedCaRevocation {
  readonly outcome: CaRevocationOutcome;
  /** What the parent has revoked then. */
  readonly revokedCas: readonly RevokedCa[];
  /** The certificates behind `others`. */
  readonly others: readonly CaCertificate[];
}

/**
 * Records that a CA has revoked a CA that it signed: every certificate over its key that has not ended, in force,
 * from before a renewal, or signed and taken in by nobody, in one write that is durable before this resolves. Where
 * the key is not lost, those of another subject stay, and with `mayBeAlone` all others may. The CRL that says so is
 * made by `issueCaCrl`. The key
 * of the parent is not needed. Repeating it is success, and takes in what has come to light since.
 * INVALID_INPUT where the parent did not sign the certificate, or for certificateHold: nothing releases a CA. Throws
 * as `caCrlTime`.
 */
export async function revokeAuthority(options: CaRevocationOptions): Promise<CaRevocationOutcome> {
  const { directory } = options;
  return withCaLock(directory, async () => {
    const parent = await authorityIn(directory, options.parent);
    const { outcome, revokedCas } = await planCaRevocation(options, parent);
    if (outcome.isNew) {
      await writeRevokedCas(join(parent.directory, revokedCasFileName), revokedCas);
    }
    return outcome;
  });
}

/** CONFLICT where a CA was revoked for another reason, which stays unless the key is found to be lost, as that of a certificate does. */
export function assertSameReason(
  { revoked, isNew }: Pick<CaRevocationOutcome, 'revoked' | 'isNew'>,
  reason: RevocationReason,
): void {
  if (isNew || revoked.reason === reason) return;
  const at = new Date(revoked.revokedAtMs).toISOString();
  throw new CertmillError(
    'CONFLICT',
    `CA ${revoked.subject} was revoked for ${revoked.reason} at ${at}: that stays as it is`,
  );
}

/** What is recorded; nothing is written. Throws as `revokeAuthority`. */
export async function planCaRevocation(
  options: Omit<CaRevocationOptions, 'parent'>,
  parent: Issuer,
): Promise<PlannedCaRevocation> {
  const { directory, certificateDer, reason, mayBeAlone = false, nowMs } = options;
  const named = readCaCertificate(certificateDer, 'the certificate to revoke');
  assertRevocable(named, reason, parent);
  const atMs = await caCrlTime(parent, nowMs);
  const { found, unread } = await certificatesOverKey(directory, named.spkiDer);
  const isAlone = mayBeAlone && !isKeyLost({ reason }) && isReplaced(named, found);
  if (mayBeAlone && !isAlone && !isKeyLost({ reason }))
    assertNotBeingReplaced(directory, named, found);
  const alive = found.filter(
    ({ certificate }) =>
      certificate.notAfterMs >= nowMs && Buffer.compare(certificate.der, named.der) !== 0,
  );
  const fallsToo = ({ certificate }: CertificateOverKey): boolean =>
    !isAlone &&
    isSignedBy(parent, certificate) &&
    (isKeyLost({ reason }) || isSameName(certificate.subjectDer, named.subjectDer));
  const others = alive.filter(fallsToo).map(({ certificate }) => certificate);
  const known = new Map(parent.revokedCas.map((entry) => [entry.serialNumberHex, entry]));
  const revokedAtMs = Math.floor(atMs / 1_000) * 1_000;
  const [revoked, ...more] = [named, ...others].map((certificate) => {
    const entry: RevokedCa = {
      ...entryOf(certificate, reason, revokedAtMs),
      ...(isAlone ? {} : { keySha256: keySha256Of(certificate.spkiDer) }),
    };
    const before = known.get(entry.serialNumberHex);
    return before === undefined ? entry : mergedEntry(before, entry);
  }) as [RevokedCa, ...RevokedCa[]];
  const changed = new Map(
    [revoked, ...more]
      .filter((entry) => known.get(entry.serialNumberHex) !== entry)
      .map((entry) => [entry.serialNumberHex, entry]),
  );
  const revokedCas = [...new Map([...known, ...changed]).values()];
  if (changed.size > 0 && revokedCas.length > maxRevokedCas) {
    throw new CertmillError('LIMIT_EXCEEDED', `CA '${parent.name}' has revoked too many CAs`);
  }
  const left = alive.filter((one) => !fallsToo(one));
  const notCovered = await notRevokedOf(directory, left);
  return {
    outcome: { revoked, others: more, isAlone, isNew: changed.size > 0, notCovered, unread },
    revokedCas,
    others,
  };
}

/** A CA of the folder has the key, and another certificate is in force. */
function isReplaced(named: CaCertificate, found: readonly CertificateOverKey[]): boolean {
  const inForce = found.filter(({ inForceOf }) => inForceOf !== undefined);
  return (
    inForce.length > 0 &&
    inForce.every(({ certificate }) => Buffer.compare(certificate.der, named.der) !== 0)
  );
}

/**
 * CONFLICT where a certificate that is in force still is kept as a former one too: a renewal was killed, and who names it
 * takes it for one that is not in use.
 */
function assertNotBeingReplaced(
  directory: string,
  named: CaCertificate,
  found: readonly CertificateOverKey[],
): void {
  const serialNumberHex = Buffer.from(named.serialNumber).toString('hex');
  for (const { inForceOf, certificate } of found) {
    if (inForceOf === undefined || Buffer.compare(certificate.der, named.der) !== 0) continue;
    const former = join(issuerPathsOf(directory, inForceOf).directory, formerFolderName);
    if (!existsSync(join(former, `${serialNumberHex}.pem`))) continue;
    throw new CertmillError(
      'CONFLICT',
      `this certificate is in force of CA '${inForceOf}' still, for its renewal was not done to the end: ` +
        `renew it again first, or name the CA: certmill ca revoke ${inForceOf}`,
    );
  }
}

function entryOf(
  { serialNumber, subject, notAfterMs }: CaCertificate,
  reason: RevocationReason,
  revokedAtMs: number,
): RevokedCa {
  const serialNumberHex = Buffer.from(serialNumber).toString('hex');
  return { serialNumberHex, subject, reason, revokedAtMs, notAfterMs };
}

function assertRevocable(named: CaCertificate, reason: RevocationReason, parent: Issuer): void {
  if (reason === 'certificateHold') {
    throw new CertmillError('INVALID_INPUT', 'a CA is revoked for good: certificateHold is not');
  }
  if (isSelfSigned(named, parent)) {
    throw new CertmillError(
      'INVALID_INPUT',
      'a root cannot revoke itself (RFC 5280 6.1): take it out of the trust stores',
    );
  }
  if (isSignedBy(parent, named)) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `CA '${parent.name}' did not sign this certificate: its own issuer revokes it`,
  );
}

function isSelfSigned(
  { spkiDer, subjectDer, issuerDer }: CaCertificate,
  parent: Pick<Issuer, 'spkiDer'>,
): boolean {
  return (
    Buffer.compare(spkiDer, parent.spkiDer) === 0 && Buffer.compare(issuerDer, subjectDer) === 0
  );
}

function isSignedBy(
  { chainDer: [der = new Uint8Array()] }: Issuer,
  certificate: CaCertificate,
): boolean {
  return hasSigned(der, certificate);
}

/** Those that are good: not of itself, and not revoked in the folder by who signed them. */
async function notRevokedOf(
  directory: string,
  left: readonly CertificateOverKey[],
): Promise<readonly CaNotCovered[]> {
  const good: CaNotCovered[] = [];
  for (const one of left) {
    const { certificate } = one;
    if (hasSigned(certificate.der, certificate)) continue;
    const signer = nameOfSigner(directory, certificate);
    const ca = signer === undefined ? undefined : await findAuthority(directory, signer);
    const serialNumberHex = Buffer.from(certificate.serialNumber).toString('hex');
    if (ca?.revokedCas.some((entry) => entry.serialNumberHex === serialNumberHex) !== true) {
      good.push({ ...one, signer });
    }
  }
  return good;
}
