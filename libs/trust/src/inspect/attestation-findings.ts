import { isAttestation } from '../lint/lint-any-certificate.js';
import { lintMatterAttestation } from '../lint/lint-matter-attestation.js';
import { readLintedCertificate } from '../lint/linted-certificate.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { chainLinks } from './chain-links.js';
import type { PlacedObject } from './inspected.js';

/**
 * What Matter's attestation format says of device attestation certificates that stand among objects with
 * the PAI that issued them, and the PAA above where that is there too; by position.
 */
export function attestationFindings(
  objects: readonly PlacedObject[],
): ReadonlyMap<number, readonly LintFinding[]> {
  const certificates = objects.filter(({ kind }) => kind === 'certificate');
  const attesting = certificates.filter(({ der }) => {
    const certificate = readLintedCertificate(der);
    return certificate !== undefined && isAttestation(certificate);
  });
  if (certificates.length < 2 || attesting.length === 0) return new Map();
  const issuers = new Map(chainLinks(certificates).map((link) => [link.position, link.issuedBy]));
  const byPosition = new Map(certificates.map((placed) => [placed.position, placed]));
  const above = ({ position }: PlacedObject): PlacedObject | undefined =>
    byPosition.get(issuers.get(position) ?? 0);
  return new Map(
    attesting.flatMap((dac) => {
      const pai = above(dac);
      if (pai === undefined) return [];
      const paa = above(pai);
      return [[dac.position, lintMatterAttestation(dac.der, pai.der, paa?.der)] as const];
    }),
  );
}
