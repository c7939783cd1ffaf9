import { createPublicKey } from 'node:crypto';
import { contextConstructed, oids } from '@certmill/der';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { type SignatureVerdict, verifySignature } from '../path/verify-signature.js';
import { extensionsOf, extensionsView } from './extension-view.js';
import type { Inspected } from './inspected.js';
import { oidName } from './oid-names.js';
import { algorithmView, keyFindings, publicKeyView } from './public-key-view.js';
import { integerView, nameView, rawView, textOf, type View } from './view.js';

/** `CertificationRequest` (RFC 2986 4.2); undefined where the bytes have not that shape. */
export function inspectRequest(der: Uint8Array): Inspected | undefined {
  const request = readDerNode(der);
  const [information, algorithm, signature] = request?.children ?? [];
  const [version, subject, spki, attributes] = information?.children ?? [];
  if (
    information === undefined ||
    algorithm === undefined ||
    signature === undefined ||
    version === undefined ||
    subject === undefined ||
    spki === undefined ||
    (attributes !== undefined && attributes.tag !== contextConstructed(0))
  ) {
    return undefined;
  }
  const possession = possessionOf(information, spki, algorithm, signature);
  const view = {
    version: integerView(version),
    subject: nameView(subject),
    subjectPublicKey: publicKeyView(spki),
    attributes: (attributes?.children ?? []).map(attributeView),
    signatureAlgorithm: algorithmView(algorithm),
    proofOfPossession: possession,
  };
  return { kind: 'certification-request', der, view, findings: findingsOf(possession, spki) };
}

function possessionOf(
  information: DerNode,
  spki: DerNode,
  algorithm: DerNode,
  signature: DerNode,
): SignatureVerdict {
  try {
    const key = createPublicKey({ key: Buffer.from(spki.der), format: 'der', type: 'spki' });
    return verifySignature(algorithm, information.der, signature.content.subarray(1), key);
  } catch {
    return 'unsupported';
  }
}

function findingsOf(possession: SignatureVerdict, spki: DerNode): readonly LintFinding[] {
  return [...possessionFindings(possession), ...keyFindings(spki)];
}

function possessionFindings(possession: SignatureVerdict): readonly LintFinding[] {
  if (possession === 'good') return [];
  const detail =
    possession === 'bad'
      ? 'the signature does not verify with the key in the request'
      : 'key or signature algorithm cannot be checked, or proves nothing any more';
  return [{ rule: 'proof-of-possession', clause: 'RFC 2986 4.2', detail }];
}

function attributeView(attribute: DerNode): View {
  const [type, values] = attribute.children;
  const oid = oidOf(type) ?? '';
  const [first] = values?.children ?? [];
  if (oid === oids.id_extensionRequest || oid === oids.ms_certExtensions) {
    return { type: oidName(oid), extensions: extensionsView(extensionsOf(first)) };
  }
  // It was chosen to be a secret between the device and its CA (RFC 2985 5.4.1).
  if (oid === oids.id_challengePassword) return { type: oidName(oid), value: 'present, not shown' };
  return {
    type: oidName(oid),
    values: (values?.children ?? []).map((value) =>
      value.children.length > 0 ? rawView(value) : textOf(value),
    ),
  };
}
