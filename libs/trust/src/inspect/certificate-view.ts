import { readDerNode } from '../lint/der-node.js';
import { lintAnyCertificate } from '../lint/lint-any-certificate.js';
import { readLintedCertificate } from '../lint/linted-certificate.js';
import { contextConstructed } from '@certmill/der';
import { extensionsView } from './extension-view.js';
import type { Inspected } from './inspected.js';
import { algorithmView, publicKeyView } from './public-key-view.js';
import { hexOf, nameView, timeView } from './view.js';

/** `Certificate` (RFC 5280 4.1); undefined where the bytes have not that shape. */
export function inspectCertificate(der: Uint8Array): Inspected | undefined {
  const certificate = readLintedCertificate(der);
  const tbs = readDerNode(der)?.children[0];
  if (certificate === undefined || tbs === undefined) return undefined;
  const hasVersion = tbs.children[0]?.tag === contextConstructed(0);
  const spki = tbs.children[hasVersion ? 6 : 5];
  const view = {
    version: certificate.version + 1,
    serialNumber: hexOf(certificate.serialNumber.content),
    signatureAlgorithm: algorithmView(certificate.signatureAlgorithm),
    issuer: nameView(certificate.issuer),
    notBefore: timeView(certificate.notBefore),
    notAfter: timeView(certificate.notAfter),
    subject: nameView(certificate.subject),
    subjectPublicKey: spki === undefined ? '' : publicKeyView(spki),
    extensions: extensionsView(certificate.extensions),
  };
  return { kind: 'certificate', der, view, findings: lintAnyCertificate(der) };
}
