import { contextConstructed, sniffDer } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { readDerNode } from '../lint/der-node.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { attestationFindings } from './attestation-findings.js';
import { inspectCertificate } from './certificate-view.js';
import { inspectCrl } from './crl-view.js';
import type { Inspected, PlacedObject } from './inspected.js';
import { inspectOcspRequest, inspectOcspResponse } from './ocsp-view.js';
import { pemBlocksOf } from './pem-blocks.js';
import { keyFindings, publicKeyView } from './public-key-view.js';
import { inspectRequest } from './request-view.js';
import { signatureFindings } from './signature-findings.js';

/** One object of an input and where it stood; `unreadable` says why there is no more. */
export interface InspectedItem {
  /** From 1 on. */
  readonly position: number;
  /** Of the PEM block; undefined for DER. */
  readonly label: string | undefined;
  readonly object: Inspected | undefined;
  readonly unreadable: string | undefined;
}

/**
 * Reads what an input holds: PEM (any number of blocks), one object in DER, or the certificates and
 * CRLs of a PKCS #7 file. INVALID_INPUT for a private key, which is not looked into.
 */
export function inspect(bytes: Uint8Array): readonly InspectedItem[] {
  const blocks = pemBlocksOf(bytes);
  const parts =
    blocks.length > 0
      ? blocks.flatMap(({ label, der }) => partsOf(der).map((part) => ({ label, der: part })))
      : partsOf(bytes).map((der) => ({ label: undefined, der }));
  const items = parts.map(({ label, der }, index) => {
    if (isPrivateKey(label, der)) throw privateKey();
    const object = inspectDer(der);
    return {
      position: index + 1,
      label,
      object,
      unreadable: object === undefined ? reasonOf(der) : undefined,
    };
  });
  return withMore(withMore(items, attestationFindings), signatureFindings);
}

/** With what is wrong between the objects, beside what is wrong in each. */
function withMore(
  items: readonly InspectedItem[],
  findingsOf: (placed: readonly PlacedObject[]) => ReadonlyMap<number, readonly LintFinding[]>,
): readonly InspectedItem[] {
  const found = findingsOf(
    items.flatMap(({ position, object }) =>
      object === undefined ? [] : [{ position, kind: object.kind, der: object.der }],
    ),
  );
  return items.map((item) => {
    const { position, object } = item;
    const findings = found.get(position) ?? [];
    if (object === undefined || findings.length === 0) return item;
    const known = new Set(object.findings.map(({ rule }) => rule));
    const more = findings.filter(({ rule }) => !known.has(rule));
    return { ...item, object: { ...object, findings: [...object.findings, ...more] } };
  });
}

/** One object in DER; undefined where it is none that is known. */
export function inspectDer(der: Uint8Array): Inspected | undefined {
  // The list first: it is read in place, and may be large.
  return (
    inspectCrl(der) ??
    inspectCertificate(der) ??
    inspectRequest(der) ??
    inspectOcspResponse(der) ??
    inspectOcspRequest(der) ??
    inspectPublicKey(der)
  );
}

function inspectPublicKey(der: Uint8Array): Inspected | undefined {
  if (sniffDer(der) !== 'public-key') return undefined;
  const spki = readDerNode(der);
  if (spki?.children[0]?.children[0] === undefined) return undefined;
  const view = { subjectPublicKey: publicKeyView(spki) };
  return { kind: 'public-key', der, view, findings: keyFindings(spki) };
}

/** Certificates `[0]` and CRLs `[1]` of a SignedData (RFC 5652 5.1); of anything else itself. */
function partsOf(der: Uint8Array): readonly Uint8Array[] {
  if (sniffDer(der) !== 'pkcs7') return [der];
  const signedData = readDerNode(der)?.children[1]?.children[0];
  const parts = (signedData?.children ?? [])
    .filter(({ tag }) => tag === contextConstructed(0) || tag === contextConstructed(1))
    .flatMap(({ children }) => children.map((child) => child.der));
  return parts.length === 0 ? [der] : parts;
}

function isPrivateKey(label: string | undefined, der: Uint8Array): boolean {
  return label?.endsWith('PRIVATE KEY') === true || sniffDer(der) === 'private-key';
}

function privateKey(): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    'this is a private key; nothing of it is read or shown',
  );
}

function reasonOf(der: Uint8Array): string {
  if (der.length === 0) return 'it is empty';
  return readDerNode(der) === undefined
    ? 'it is not DER'
    : 'it is DER, but no certificate, CSR, CRL, OCSP request or response, or public key';
}
