import { isSameBytes } from '../path/path-certificate.js';
import { readCaCertificate } from './ca-certificate.js';
import { damagedCa } from './ca-files.js';
import type { Issuer } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { isKeyLost, type RevokedCa } from './revoked-cas.js';
import type { ServingIssuer } from './serving-issuers.js';

/**
 * An issuer that a process serves, with what has changed in its folder since it was read: the chain and what that
 * decides, whether it is revoked, and whether it is retired. Its key and the place of that, its tenants, order and
 * status addresses stay as they were bound. The same object where nothing has changed. Throws FAULT_STORE_CORRUPT
 * where the folder is of another key or subject.
 */
export function issuerNow(before: ServingIssuer, now: Issuer): ServingIssuer {
  assertSameCa(before, now);
  const isSameChain = areSame(before.chainDer, now.chainDer);
  // What was known stays where the folder has forgotten it.
  const revoked = now.revoked ?? (isSameChain ? before.revoked : stillRevoked(before, now));
  const retirement = now.retirement ?? before.retirement;
  const isSame =
    isSameChain &&
    before.isUnjudged !== true &&
    before.parent === now.parent &&
    before.above.join() === now.above.join() &&
    isSameRevocation(revoked, before.revoked) &&
    retirement?.retiredAtMs === before.retirement?.retiredAtMs &&
    retirement?.isClosed === before.retirement?.isClosed;
  if (isSame) return before;
  return {
    ...boundPartOf(before),
    ...chainPartOf(now),
    ...(revoked === undefined ? {} : { revoked }),
    ...(retirement === undefined ? {} : { retirement }),
  };
}

export function isSameRevocation(
  one: RevokedCa | undefined,
  other: RevokedCa | undefined,
): boolean {
  return (
    one?.serialNumberHex === other?.serialNumberHex &&
    one?.reason === other?.reason &&
    one?.revokedAtMs === other?.revokedAtMs
  );
}

/**
 * Sign opens the key for the certificate, and refuses another one's: what is served stays sound without that. The
 * subject in another encoding is another one: what was issued before would have no status.
 */
function assertSameCa(before: ServingIssuer, { spkiDer, subjectDer }: Issuer): void {
  const isSame = isSameBytes(before.spkiDer, spkiDer) && isSameBytes(before.subjectDer, subjectDer);
  if (!isSame) throw damagedCa(before.name, 'its folder is of another key or subject now');
}

/**
 * What was known to be revoked of a chain that has been replaced, where it concerns the new one too: the certificate
 * is in it, or its key is, and the key is lost or all certificates over it were revoked.
 */
function stillRevoked(
  { chainDer, revoked, spkiDer }: ServingIssuer,
  now: Issuer,
): RevokedCa | undefined {
  if (revoked === undefined) return undefined;
  const chain = now.chainDer.map(read);
  const named = chainDer
    .map(read)
    .find(
      ({ serialNumber }) => Buffer.from(serialNumber).toString('hex') === revoked.serialNumberHex,
    );
  if (named !== undefined && chain.some(({ der }) => Buffer.compare(der, named.der) === 0)) {
    return revoked;
  }
  if (!isKeyLost(revoked) && revoked.keySha256 === undefined) return undefined;
  const key = revoked.keySha256 ?? keySha256Of(named?.spkiDer ?? spkiDer);
  return chain.some((ca) => keySha256Of(ca.spkiDer) === key) ? revoked : undefined;
}

/** What the chain does not decide. */
function boundPartOf(before: ServingIssuer) {
  const { name, role, directory, certificateFile, chainFile, keyFile, keyType } = before;
  const { signatureAlgorithm, hasKey, revokedCas, serialKeyId } = before;
  const { slot, status, rekeys, order, tenants } = before;
  return {
    ...{ name, role, directory, certificateFile, chainFile, keyFile, keyType },
    ...{ signatureAlgorithm, hasKey, revokedCas, serialKeyId },
    ...(slot === undefined ? {} : { slot }),
    ...(status === undefined ? {} : { status }),
    ...(rekeys === undefined ? {} : { rekeys }),
    ...(order === undefined ? {} : { order }),
    ...(tenants === undefined ? {} : { tenants }),
  };
}

function chainPartOf(now: Issuer) {
  const { chainDer, subjectDer, subject, spkiDer, keyIdentifier, serialNumberHex } = now;
  const { notBeforeMs, notAfterMs, above, parent, nameConstraints, extKeyUsage, policies } = now;
  return {
    ...{ chainDer, subjectDer, subject, spkiDer, keyIdentifier, serialNumberHex },
    ...{ notBeforeMs, notAfterMs, above },
    ...(parent === undefined ? {} : { parent }),
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(policies === undefined ? {} : { policies }),
  };
}

function areSame(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return (
    one.length === other.length &&
    one.every((der, at) => Buffer.compare(der, other[at] ?? new Uint8Array()) === 0)
  );
}

function read(der: Uint8Array) {
  return readCaCertificate(der, 'a certificate of a chain');
}
