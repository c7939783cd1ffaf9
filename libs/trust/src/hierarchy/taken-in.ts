import { existsSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { caDirectoryOf, issuerPathsOf } from './issuer-paths.js';
import { type Issuer, refusalForRevocation, standingOf } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { lostKeysIn } from './revocations-in-folder.js';
import { assertKeyNotRevoked } from './revoked-key.js';

/**
 * CONFLICT where the folder knows that a CA of the chain is revoked, that its key is lost, or that the key of the first
 * one is revoked, as `assertKeyNotRevoked`. Returns the CA of the folder that has signed the first one.
 * @param name of the CA that the chain is to be of; the caller holds the lock of the CAs.
 */
export function assertGoodStanding(
  directory: string,
  name: string,
  chain: readonly [CaCertificate, ...CaCertificate[]],
): Issuer | undefined {
  if (!existsSync(caDirectoryOf(directory))) return undefined;
  const { parent, revoked } = standingOf(directory, name, chain);
  if (revoked !== undefined) {
    throw new CertmillError(
      'CONFLICT',
      `the chain is not taken in: it ${refusalForRevocation(revoked)}`,
    );
  }
  // Where the CA above is elsewhere, what others have revoked as lost counts all the same.
  const [own, above = own] = chain;
  const signer = { ...issuerPathsOf(directory, name), subjectDer: above.subjectDer };
  assertKeyNotRevoked(signer, keySha256Of(own.spkiDer));
  const lost = lostKeysIn(directory);
  for (const { subject, spkiDer } of chain.slice(1)) {
    const loss = lost.get(keySha256Of(spkiDer));
    if (loss === undefined) continue;
    throw new CertmillError(
      'CONFLICT',
      `the chain is not taken in: it goes over ${subject.replaceAll('\n', ', ')}, whose key is lost: ${loss.by} has ` +
        `revoked it (${loss.entry.reason})`,
    );
  }
  return parent;
}

/**
 * CONFLICT where the folder knows that the CA which is to sign one of its CAs is revoked, or one above it: in the
 * folder of the key nobody may have heard.
 */
export function assertGoodAbove(
  directory: string,
  signer: Pick<Issuer, 'name' | 'chainDer'>,
): void {
  const chain = signer.chainDer.map((der) => readCaCertificate(der, 'a CA above'));
  const { revoked } = standingOf(directory, signer.name, chain);
  if (revoked === undefined) return;
  throw new CertmillError('CONFLICT', `CA '${signer.name}' ${refusalForRevocation(revoked)}`);
}
