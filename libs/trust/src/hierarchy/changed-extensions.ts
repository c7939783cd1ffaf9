import { CertmillError } from '@certmill/domain';
import { oids } from '@certmill/der';
import { oidName } from '../inspect/oid-names.js';
import { isSameBytes, readPathCertificate } from '../path/path-certificate.js';

/** An extension that a certificate has otherwise than the one that it takes the place of. */
export interface ChangedExtension {
  /** As RFC 5280 spells it, or the OID. */
  readonly name: string;
  readonly change: 'gone' | 'new' | 'other';
}

/**
 * What a CA above has decided otherwise than before, such as name constraints that are gone. Key identifiers
 * tell of keys, and are not compared. INVALID_INPUT where one is no certificate.
 */
export function changedExtensions(
  beforeDer: Uint8Array,
  afterDer: Uint8Array,
): readonly ChangedExtension[] {
  const [before, after] = [extensionsIn(beforeDer), extensionsIn(afterDer)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((oid) => {
    const [old, young] = [before.get(oid), after.get(oid)];
    const name = oidName(oid);
    if (young === undefined) return { name, change: 'gone' } as const;
    if (old === undefined) return { name, change: 'new' } as const;
    return isSameBytes(old, young) ? [] : ({ name, change: 'other' } as const);
  });
}

const ofKeys: readonly string[] = [
  oids.id_ce_subjectKeyIdentifier,
  oids.id_ce_authorityKeyIdentifier,
];

/** Values in DER, by OID. */
function extensionsIn(der: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const read = readPathCertificate(der);
  if (read === undefined) throw new CertmillError('INVALID_INPUT', 'this is no certificate');
  return new Map(
    read.certificate.extensions
      .filter(({ oid }) => !ofKeys.includes(oid))
      .map(({ oid, value }) => [oid, value?.der ?? new Uint8Array()]),
  );
}
