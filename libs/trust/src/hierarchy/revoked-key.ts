import { dirname } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { certificateOf } from './certificate-spec.js';
import type { Issuer } from './load-issuers.js';
import { keySha256Of, ownRevocationOf } from './lost-keys.js';
import { type KeyRevocation, keysRevokedUnder, lostKeysIn } from './revocations-in-folder.js';

/** What to type where a CA that was revoked is to go on. */
export const goesOnWithNewKey =
  'a CA that is revoked goes on with a new key only: certmill ca rekey, or certmill ca request --rekeys';

/**
 * CONFLICT where the CA that is to sign has revoked the CA of the key, for whatever reason and with whichever of its
 * own keys, and as `assertKeyNotLost`: it does not come back. One certificate that was retired alone ends no CA.
 * @param signer in the folder of a data folder, or a name that it would have there.
 * @param keySha256 as `keySha256Of`.
 */
export function assertKeyNotRevoked(
  signer: Pick<Issuer, 'directory' | 'subjectDer'>,
  keySha256: string,
): void {
  const dataDirectory = dirname(dirname(signer.directory));
  const own = keysRevokedUnder(dataDirectory, signer.subjectDer).get(keySha256);
  if (own !== undefined) throw keyIsRevoked(own);
  assertKeyNotLost(dataDirectory, keySha256);
}

/** CONFLICT where a record or a CRL of a data folder says that the key is lost, whoever is to sign over it. */
export function assertKeyNotLost(dataDirectory: string, keySha256: string): void {
  const lost = lostKeysIn(dataDirectory).get(keySha256);
  if (lost !== undefined) throw keyIsRevoked(lost);
}

/**
 * CONFLICT where it is the CA that is revoked, and neither one certificate of it nor a CA above it; and as
 * `assertKeyNotRevoked`, of the CA above as its certificate names it.
 */
export function assertNotRevoked(ca: Issuer): void {
  const revoked = ownRevocationOf(ca);
  if (revoked === undefined) {
    const { issuerDer: subjectDer, spkiDer } = certificateOf(ca);
    assertKeyNotRevoked({ directory: ca.directory, subjectDer }, keySha256Of(spkiDer));
    return;
  }
  const { subject, reason, revokedAtMs } = revoked;
  const at = new Date(revokedAtMs).toISOString();
  throw new CertmillError(
    'CONFLICT',
    `CA '${ca.name}' is revoked: ${subject}, ${reason}, at ${at}; ${goesOnWithNewKey}`,
  );
}

function keyIsRevoked({
  by,
  entry: { subject, reason, revokedAtMs },
}: KeyRevocation): CertmillError {
  const at = new Date(revokedAtMs).toISOString();
  return new CertmillError(
    'CONFLICT',
    `${by} has revoked ${subject} with this key (${reason}, at ${at}), and none is signed over it again; ` +
      goesOnWithNewKey,
  );
}
