import { matterIdsOf } from '@certmill/der';
import { lintMatterAttestation } from '../lint/lint-matter-attestation.js';
import { readLintedCertificate, saysCa } from '../lint/linted-certificate.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { chainLinks } from './chain-links.js';

type Placed = { readonly position: number; readonly der: Uint8Array };

/**
 * What Matter's attestation format says of device attestation certificates that stand among
 * certificates with the PAI that issued them, and the PAA above where that is there too; by position.
 */
export function attestationFindings(
  certificates: readonly Placed[],
): ReadonlyMap<number, readonly LintFinding[]> {
  const attesting = certificates.length > 1 ? certificates.filter(isAttestation) : [];
  if (attesting.length === 0) return new Map();
  const issuers = new Map(chainLinks(certificates).map((link) => [link.position, link.issuedBy]));
  const above = ({ position }: Placed): Placed | undefined =>
    certificates.find((other) => other.position === issuers.get(position));
  return new Map(
    attesting.flatMap((dac) => {
      const pai = above(dac);
      if (pai === undefined) return [];
      const paa = above(pai);
      return [[dac.position, lintMatterAttestation(dac.der, pai.der, paa?.der)] as const];
    }),
  );
}

function isAttestation({ der }: Placed): boolean {
  const certificate = readLintedCertificate(der);
  return (
    certificate !== undefined &&
    !saysCa(certificate) &&
    matterIdsOf(certificate.subjectAttributes).vendorId !== undefined
  );
}
