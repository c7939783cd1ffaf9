import { walkCertificateList, walkCrlEntries, type CertificateListWalk } from '@certmill/der';
import { readDerNode, type DerNode } from '../lint/der-node.js';
import { lintCrl } from '../lint/lint-crl.js';
import { extensionsOf, extensionsView } from './extension-view.js';
import type { Inspected } from './inspected.js';
import { algorithmView } from './public-key-view.js';
import { hexOf, isoTime, nameView, type View } from './view.js';

/** A list may hold millions: so many are shown. */
export const shownCrlEntries = 100;

/** `CertificateList` (RFC 5280 5.1); undefined where the bytes have not that shape. */
export function inspectCrl(der: Uint8Array): Inspected | undefined {
  const walk = walkCertificateList(der);
  if (walk.error !== undefined) return undefined;
  const issuer = nodeIn(der, walk.issuerStart, walk.issuerEnd);
  const { count, shown, isReadable } = entriesOf(der, walk);
  const view = {
    version: walk.version,
    signatureAlgorithm: algorithmView(
      nodeIn(der, walk.signatureAlgorithmStart, walk.signatureAlgorithmEnd),
    ),
    issuer: issuer === undefined ? '' : nameView(issuer),
    thisUpdate: isoTime(walk.thisUpdateSeconds),
    nextUpdate: isoTime(walk.nextUpdateSeconds),
    extensions: extensionsView(extensionsOf(nodeIn(der, walk.extensionsStart, walk.extensionsEnd))),
    entries: isReadable ? count : `${String(count)}, then one that cannot be read`,
    revokedCertificates: shown,
  };
  return { kind: 'crl', der, view, findings: lintCrl(der, walk) };
}

function entriesOf(der: Uint8Array, walk: CertificateListWalk) {
  const shown: View[] = [];
  let count = 0;
  const failure = walkCrlEntries(der, walk, (entry) => {
    count++;
    if (count > shownCrlEntries) return true;
    const extensions = nodeIn(der, entry.extensionsStart, entry.extensionsEnd);
    shown.push({
      serialNumber: hexOf(der.subarray(entry.serialNumberStart, entry.serialNumberEnd)),
      revocationDate: isoTime(entry.revocationDateSeconds),
      extensions: extensions === undefined ? undefined : extensionsView(extensionsOf(extensions)),
    });
    return true;
  });
  return { count, shown, isReadable: failure === undefined };
}

export function nodeIn(bytes: Uint8Array, start: number, end: number): DerNode | undefined {
  return start < 0 ? undefined : readDerNode(bytes.subarray(start, end));
}
