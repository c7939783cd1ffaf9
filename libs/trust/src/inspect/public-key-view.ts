import { createPublicKey, hash } from 'node:crypto';
import { type DerNode, oidOf } from '../lint/der-node.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { keyStrengthClause, keyWeaknessOf } from '../lint/weak-algorithms.js';
import { oidName } from './oid-names.js';
import { hexOf, type View } from './view.js';

/** A SubjectPublicKeyInfo: type and size, the UDID, and the identifiers that extensions hold. */
export function publicKeyView(spki: DerNode): View {
  const [algorithm, subjectPublicKey] = spki.children;
  const octets = subjectPublicKey?.content.subarray(1) ?? new Uint8Array();
  return {
    algorithm: oidName(oidOf(algorithm?.children[0]) ?? ''),
    ...keyDetails(spki.der),
    udid: hash('sha256', spki.der),
    keyIdentifierSha1: hash('sha1', octets),
    octets: octets.length,
  };
}

/** What is wrong with a key that stands in no certificate. */
export function keyFindings(spki: DerNode): readonly LintFinding[] {
  const detail = keyWeaknessOf(spki);
  return detail === undefined ? [] : [{ rule: 'key-strength', clause: keyStrengthClause, detail }];
}

/** What OpenSSL says of the key; nothing where it cannot read it. */
function keyDetails(spkiDer: Uint8Array): { readonly [field: string]: View | undefined } {
  try {
    const key = createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
    const { namedCurve, modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
    return {
      type: key.asymmetricKeyType,
      curve: namedCurve,
      bits: modulusLength,
      publicExponent: publicExponent?.toString(),
    };
  } catch {
    return { type: 'not a key that can be read' };
  }
}

/** An AlgorithmIdentifier: its name, with the parameters where they are more than NULL. */
export function algorithmView(algorithm: DerNode | undefined): string {
  const [oid, parameters] = algorithm?.children ?? [];
  const name = oidName(oidOf(oid) ?? '');
  const isPlain = parameters === undefined || parameters.content.length === 0;
  return isPlain ? name : `${name} (${oidOf(parameters) ?? hexOf(parameters.der)})`;
}
