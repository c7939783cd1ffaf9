import { CertmillError } from '@certmill/domain';
import type { IssuerKeyType } from '../keys/key-types.js';
import type { CaCertificate } from './ca-certificate.js';
import type { CaModules } from './ca-slot.js';
import { certificateOf, specOfCertificate } from './certificate-spec.js';
import { withCaLocks } from './folder-lock.js';
import { issueCaCertificate, noExpirationMs } from './issue-ca-certificate.js';
import { backdated, recordIssued, statusOf } from './issue-authority.js';
import { assertNewIssuer, writeIssuerFolder } from './issuer-folder.js';
import { assertIssuerName } from './issuer-paths.js';
import { findAuthority, type Issuer } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { assertNewKeyPlace, newCaKey, type NewCaKeyWish } from './new-ca-key.js';
import {
  authorityIn,
  type AuthorityPlace,
  openAuthority,
  openAuthorityKey,
} from './open-authority.js';
import { assertOwnName } from './own-name.js';
import { assertRekeyable, retireRekeyed } from './rekeyed.js';
import { renewedEnd } from './renewed-end.js';
import { assertKeyNotRevoked, assertNotRevoked } from './revoked-key.js';
import { replaceCertificate } from './replace-certificate.js';
import { assertGoodAbove } from './taken-in.js';

export interface RenewalOptions {
  /** The data folder of the CA. */
  readonly directory: string;
  readonly name: string;
  /** The CA above it, with its key; for a root itself. */
  readonly parent: AuthorityPlace;
  /** From now on; absent: as it was made for at first, at most to the end of the CA above. */
  readonly lifetimeSeconds?: number;
  readonly nowMs: number;
}

/**
 * A new certificate for the same subject and key, with a new validity and all else as it was. It
 * begins when the first one did: what was issued lies in its life, and what is on its way is issued
 * with the times that it would have had. The certificate before is kept in `former/`. Chains of this
 * folder that go through the CA have the new certificate afterwards. CONFLICT where the CA is revoked, here or in the
 * folder of the one above.
 */
export async function renewAuthority(options: RenewalOptions): Promise<Issuer> {
  const { directory, name, parent: place, nowMs } = options;
  return withCaLocks(directory, place.directory, async () => {
    const ca = await authorityIn(directory, name);
    assertNotRevoked(ca);
    const isRoot = ca.role === 'root';
    const parent = isRoot ? await openAuthorityKey(place) : await openAuthority(place, nowMs);
    const before = certificateOf(ca);
    assertIssuedBy(before, parent.ca);
    if (!isRoot) {
      assertLivesBelow(before, parent.ca, name);
      assertGoodAbove(directory, parent.ca);
      assertKeyNotRevoked(parent.ca, keySha256Of(before.spkiDer));
    }
    const notBeforeMs = before.notBeforeMs;
    const latestMs = isRoot ? noExpirationMs : parent.ca.notAfterMs;
    // The lifetime counts from now on.
    const notAfterMs = await renewedEnd(ca, options, backdated(nowMs), latestMs);
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
  /** Encrypts a key in a file. */
  readonly passphrase: string;
  /** The module that makes the new key and keeps it; absent: it lies in a file. */
  readonly slot?: NewCaKeyWish['slot'];
  readonly modules?: CaModules;
}

/**
 * A CA of the same subject with a new key and a new name. The one before is retired: it opens no
 * further order, and its key stays for the status of what it has issued; where this was killed before that,
 * it is retired once the same is asked for again. INVALID_INPUT where a key in a token would be followed by
 * one in a file; CONFLICT where the new slot is that of the key before, and where the CA has a new key
 * already or was given up.
 */
export async function rekeyAuthority(options: RekeyOptions): Promise<Issuer> {
  const { directory, name, successor, passphrase, parent: place, nowMs } = options;
  assertIssuerName(successor);
  return withCaLocks(directory, place.directory, async () => {
    const ca = await authorityIn(directory, name);
    if (ca.role === 'root') {
      throw new CertmillError(
        'INVALID_INPUT',
        "a root gets a new key in a folder of its own: 'certmill ca rekey root --into DIR'",
      );
    }
    assertRekeyable(ca, successor);
    const made = await findAuthority(directory, successor);
    if (made !== undefined && isUnfinished(ca, made, options)) {
      await retireRekeyed(directory, successor, nowMs);
      return authorityIn(directory, successor);
    }
    await assertNewIssuer(directory, successor);
    assertOwnName(directory, { subjectDer: ca.subjectDer, rekeys: name });
    assertNewKeyPlace(ca, options.slot);
    const parent = await openAuthority(place, nowMs);
    const before = certificateOf(ca);
    const { slot, modules, keyType = ca.keyType } = options;
    const { signer, content } = await newCaKey({
      ...{ keyType, passphrase, subjectDer: ca.subjectDer },
      ...(slot === undefined ? {} : { slot }),
      ...(modules === undefined ? {} : { modules }),
    });
    const notBeforeMs = Math.max(backdated(nowMs), parent.ca.notBeforeMs);
    const certificateDer = await issueCaCertificate(
      {
        ...specOfCertificate(before),
        notBeforeMs,
        notAfterMs: await renewedEnd(ca, options, notBeforeMs, parent.ca.notAfterMs),
        ...statusOf(parent.ca),
      },
      signer.subjectPKInfoDer,
      parent,
    );
    await recordIssued(parent.ca, certificateDer);
    await writeIssuerFolder(directory, successor, {
      chainDer: [certificateDer, ...parent.ca.chainDer],
      ...content,
      ...(ca.status === undefined ? {} : { status: ca.status }),
      description: {
        role: ca.role,
        rekeys: name,
        ...(place.directory === directory ? { parent: place.name } : {}),
        ...(ca.order === undefined ? {} : { order: ca.order }),
      },
    });
    await retireRekeyed(directory, successor, nowMs);
    return authorityIn(directory, successor);
  });
}

/** The CA with the new key was made, and then this was killed. */
function isUnfinished(ca: Issuer, made: Issuer, { keyType = ca.keyType }: RekeyOptions): boolean {
  return ca.retirement === undefined && made.rekeys === ca.name && made.keyType === keyType;
}

/** INVALID_INPUT where the CA above has a new key since: a renewal keeps its first notBefore, and would begin before that. */
function assertLivesBelow(before: CaCertificate, parent: Issuer, name: string): void {
  if (before.notBeforeMs >= parent.notBeforeMs) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `CA '${name}' began before CA '${parent.name}' did, which has a new key: what 'certmill ca request ${name} --renewal' ` +
      `makes is signed by it, 'certmill ca sign --under ${parent.name}', and taken in: 'certmill ca complete ${name}'`,
  );
}

function assertIssuedBy(certificate: CaCertificate, parent: Issuer): void {
  if (Buffer.compare(certificate.issuerDer, parent.subjectDer) === 0) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `CA '${parent.name}' is not the issuer of this certificate; 'certmill ca cross' makes one under another CA`,
  );
}
