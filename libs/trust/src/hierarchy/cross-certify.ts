import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { NameConstraints, WritableSubtree } from '@certmill/der';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { assertUsualForm } from '../keys/key-form.js';
import { type CaCertificate, pemOfCertificates, readCaCertificate } from './ca-certificate.js';
import { certificateOf, specOfCertificate } from './certificate-spec.js';
import { isSameName } from './distinguished-name.js';
import { withCaLocks } from './folder-lock.js';
import { backdated, endOf, recordIssued, statusOf } from './issue-authority.js';
import { issueCaCertificate } from './issue-ca-certificate.js';
import { alternativeFolderName } from './issuer-paths.js';
import { refusalOf } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import {
  authorityIn,
  type AuthorityPlace,
  openAuthority,
  type SigningAuthority,
} from './open-authority.js';
import { assertKeyNotLost, assertKeyNotRevoked } from './revoked-key.js';

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

/** The chain over the other CA, the cross-certificate first, and the file that it lies in. */
export interface CrossCertificate {
  readonly chainDer: readonly Uint8Array[];
  readonly file: string;
}

/**
 * A cross-certificate (RFC 5280 3.2): subject and key of a CA, signed by another one. It lies beside the
 * chain as an alternative one: the chain that is in force stays.
 */
export async function crossCertify(options: CrossOptions): Promise<CrossCertificate> {
  return withCaLocks(options.directory, options.by.directory, async () =>
    crossCertifyLocked(options),
  );
}

/** The same for who holds the locks of both folders. */
export async function crossCertifyLocked(options: CrossOptions): Promise<CrossCertificate> {
  const { directory, name, by: place, nowMs } = options;
  const ca = await authorityIn(directory, name);
  const refusal = refusalOf(ca, nowMs);
  if (refusal !== undefined) throw new CertmillError('CONFLICT', `CA '${name}' ${refusal}`);
  assertKeyNotLost(directory, keySha256Of(ca.spkiDer));
  const by = await openAuthority(place, nowMs);
  const certificateDer = await crossCertificate(certificateOf(ca), by, options);
  await recordIssued(by.ca, certificateDer);
  const chainDer = [certificateDer, ...by.ca.chainDer];
  const folder = join(ca.directory, alternativeFolderName);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const file = join(folder, `${serialOf(certificateDer)}.pem`);
  await writeFileAtomically(file, pemOfCertificates(chainDer), publicFileMode);
  return { chainDer, file };
}

/**
 * The certificate alone; whoever calls it records what was issued. A CA of the same name is one with
 * another key (RFC 9810 4.4): its certificate begins when its own one did. Throws as `assertKeyNotRevoked`
 * and `assertUsualForm`.
 */
export async function crossCertificate(
  own: CaCertificate,
  by: SigningAuthority,
  options: Pick<
    CrossOptions,
    'lifetimeSeconds' | 'pathLenConstraint' | 'nameConstraints' | 'nowMs'
  >,
): Promise<Uint8Array> {
  const { pathLenConstraint, nameConstraints, nowMs } = options;
  assertOtherCa(own, by.ca);
  assertUsualForm(own.spkiDer, 'the CA');
  assertKeyNotRevoked(by.ca, keySha256Of(own.spkiDer));
  const beginMs = Math.max(backdated(nowMs), by.ca.notBeforeMs);
  const isOtherKeyOfParent = isSameName(own.subjectDer, by.ca.subjectDer);
  return issueCaCertificate(
    {
      ...specOfCertificate(own),
      isOtherKeyOfParent,
      ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
      ...(nameConstraints === undefined ? {} : { nameConstraints }),
      notBeforeMs: isOtherKeyOfParent ? own.notBeforeMs : beginMs,
      notAfterMs: endOf(options, beginMs, Math.min(own.notAfterMs, by.ca.notAfterMs)),
      ...statusOf(by.ca),
    },
    own.spkiDer,
    by,
  );
}

/** INVALID_INPUT where the CA that vouches has the key itself. */
export function assertOtherCa(
  own: Pick<CaCertificate, 'spkiDer'>,
  by: Pick<CaCertificate, 'spkiDer'>,
): void {
  if (Buffer.compare(by.spkiDer, own.spkiDer) !== 0) return;
  throw new CertmillError('INVALID_INPUT', 'a CA does not cross-certify itself');
}

function serialOf(certificateDer: Uint8Array): string {
  const { serialNumber } = readCaCertificate(certificateDer, 'the certificate');
  return Buffer.from(serialNumber).toString('hex');
}
