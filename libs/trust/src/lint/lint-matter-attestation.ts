import { X509Certificate } from 'node:crypto';
import { contextPrimitive, matterIdsOf, oids } from '@certmill/der';
import { secondsOf } from './field-rules.js';
import {
  findExtension,
  type LintedCertificate,
  readLintedCertificate,
} from './linted-certificate.js';
import { lintCertificate } from './lint-certificate.js';
import type { LintFinding } from './lint-rule.js';
import { when } from './lint-rule.js';

/** A rule that a certificate and the one above it keep together. */
interface PairRule {
  readonly id: string;
  readonly clause: string;
  readonly check: (child: LintedCertificate, issuer: LintedCertificate) => readonly string[];
}

const pairRules: readonly PairRule[] = [
  {
    id: 'chain-name',
    clause: 'RFC 5280 6.1.3',
    check: (child, issuer) =>
      when(
        Buffer.compare(child.issuer.der, issuer.subject.der) !== 0,
        'the issuer is not the subject of the certificate above',
      ),
  },
  {
    id: 'chain-key-identifier',
    clause: 'RFC 5280 4.2.1.1',
    check: (child, issuer) => {
      const own = findExtension(child, oids.id_ce_authorityKeyIdentifier)?.value?.children.find(
        ({ tag }) => tag === contextPrimitive(0),
      );
      const above = findExtension(issuer, oids.id_ce_subjectKeyIdentifier)?.value;
      return when(
        own === undefined ||
          above === undefined ||
          Buffer.compare(own.content, above.content) !== 0,
        'authorityKeyIdentifier is not the subjectKeyIdentifier of the certificate above',
      );
    },
  },
  {
    id: 'chain-signature',
    clause: 'RFC 5280 6.1.3',
    check: (child, issuer) =>
      when(!isSignedBy(child.der, issuer.der), 'the key of the certificate above did not sign it'),
  },
];

/** The product that a device says it is: what its certification declaration names. */
export interface MatterProduct {
  /** Four upper-case hex digits each. */
  readonly vendorId: string;
  readonly productId: string;
}

/**
 * Judges a device attestation certificate with its intermediate and, where given, the product
 * attestation authority by the whole attestation format (Matter Core Specification 6.2.2, 6.2.3).
 * Each finding says which of the certificates it is about. Empty: all is well.
 * @param product is compared with the ids of the DAC where it is given.
 */
export function lintMatterAttestation(
  dacDer: Uint8Array,
  paiDer: Uint8Array,
  paaDer?: Uint8Array,
  product?: MatterProduct,
): readonly LintFinding[] {
  const alone = [
    ...about('DAC', lintCertificate(dacDer, { conformsTo: 'matter-dac' })),
    ...about('PAI', lintCertificate(paiDer, { conformsTo: 'matter-pai', role: 'ca' })),
    ...(paaDer === undefined
      ? []
      : about('PAA', lintCertificate(paaDer, { conformsTo: 'matter-paa', role: 'ca' }))),
  ];
  const dac = readLintedCertificate(dacDer);
  const pai = readLintedCertificate(paiDer);
  const paa = paaDer === undefined ? undefined : readLintedCertificate(paaDer);
  if (dac === undefined || pai === undefined) return alone;
  return [
    ...alone,
    ...about('DAC', pairFindings(dac, pai)),
    ...about('DAC', validityFindings(dac, pai, 'PAI')),
    ...(product === undefined ? [] : about('DAC', productFindings(dac, product))),
    ...(paa === undefined
      ? []
      : [
          ...about('PAI', pairFindings(pai, paa)),
          ...about('DAC', validityFindings(dac, paa, 'PAA')),
        ]),
  ];
}

function about(name: string, findings: readonly LintFinding[]): readonly LintFinding[] {
  return findings.map((finding) => ({ ...finding, detail: `${name}: ${finding.detail}` }));
}

function pairFindings(child: LintedCertificate, issuer: LintedCertificate): readonly LintFinding[] {
  const general = pairRules.flatMap(({ id, clause, check }) =>
    check(child, issuer).map((detail) => ({ rule: id, clause, detail })),
  );
  const own = matterIdsOf(child.subjectAttributes);
  const above = matterIdsOf(issuer.subjectAttributes);
  const clause = 'Matter Core Specification 6.2.3.1';
  return [
    ...general,
    ...when(
      above.vendorId !== undefined && own.vendorId !== above.vendorId,
      'the vendor id is not that of the certificate above',
    ).map((detail) => ({ rule: 'chain-vendor-id', clause, detail })),
    ...when(
      above.productId !== undefined && own.productId !== above.productId,
      'the product id is not that of the certificate above',
    ).map((detail) => ({ rule: 'chain-product-id', clause, detail })),
  ];
}

/** The chain is validated for the moment at which the DAC begins, whenever that is done. */
function validityFindings(
  dac: LintedCertificate,
  above: LintedCertificate,
  name: string,
): readonly LintFinding[] {
  const begin = secondsOf(dac.notBefore);
  const isInside = begin >= secondsOf(above.notBefore) && begin <= secondsOf(above.notAfter);
  return when(!isInside, `notBefore lies outside the validity of the ${name}`).map((detail) => ({
    rule: 'chain-validity',
    clause: 'Matter Core Specification 6.2.3.1',
    detail,
  }));
}

function productFindings(dac: LintedCertificate, product: MatterProduct): readonly LintFinding[] {
  const { vendorId, productId } = matterIdsOf(dac.subjectAttributes);
  return [
    ...when(vendorId !== product.vendorId, `the vendor id is not ${product.vendorId}`),
    ...when(productId !== product.productId, `the product id is not ${product.productId}`),
  ].map((detail) => ({
    rule: 'attested-product',
    clause: 'Matter Core Specification 6.3.1',
    detail,
  }));
}

function isSignedBy(der: Uint8Array, issuerDer: Uint8Array): boolean {
  try {
    return new X509Certificate(der).verify(new X509Certificate(issuerDer).publicKey);
  } catch {
    // A key or algorithm that OpenSSL does not know signs no attestation certificate.
    return false;
  }
}
