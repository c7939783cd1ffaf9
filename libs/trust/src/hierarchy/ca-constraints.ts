import { CertmillError } from '@certmill/domain';
import type { CaCertificateSpec } from './issue-ca-certificate.js';
import { parseSubtree } from './parse-subtree.js';

/** What a CA leaves to those below it, as people write it. */
export interface ConstraintTexts {
  /** Subtrees (`parseSubtree`) of names. */
  readonly permit?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Dotted OIDs. */
  readonly policies?: readonly string[] | undefined;
  readonly purposes?: readonly string[] | undefined;
}

/**
 * What stands in the certificate. INVALID_INPUT where a subtree or an OID is none, something is said
 * twice (RFC 5280 4.2.1.4), or a name is permitted and excluded.
 */
export function constraintsOfTexts({
  permit = [],
  exclude = [],
  policies = [],
  purposes = [],
}: ConstraintTexts): Pick<CaCertificateSpec, 'nameConstraints' | 'policies' | 'extKeyUsage'> {
  for (const list of [[...permit, ...exclude], policies, purposes]) assertDistinct(list);
  const nameConstraints = {
    permitted: permit.map(parseSubtree),
    excluded: exclude.map(parseSubtree),
  };
  return {
    ...(permit.length + exclude.length === 0 ? {} : { nameConstraints }),
    ...(policies.length === 0 ? {} : { policies: policies.map(checkedOid) }),
    ...(purposes.length === 0 ? {} : { extKeyUsage: purposes.map(checkedOid) }),
  };
}

function assertDistinct(texts: readonly string[]): void {
  const seen = new Set<string>();
  for (const text of texts) {
    const key = text.toLowerCase();
    if (seen.has(key)) throw refusal(`'${text.slice(0, 80)}' stands twice`);
    seen.add(key);
  }
}

/** Dotted, X.660: the first arc is 0 to 2, and below the first two the second is 39 at most. */
function checkedOid(text: string): string {
  if (/^(?:[01]\.[123]?\d|2\.(?:0|[1-9]\d{0,38}))(?:\.(?:0|[1-9]\d{0,38})){1,32}$/.test(text)) {
    return text;
  }
  throw refusal(`'${text.slice(0, 80)}' is no object identifier`);
}

function refusal(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', reason);
}
