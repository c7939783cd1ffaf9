import { hash, type KeyObject } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { linesOf, manifestMismatch, verifyManifest, type ManifestEntry } from '@certmill/pipeline';
import { certificateOf, parseCertificateLine } from './certificate-line.js';

export interface DownloadCheck {
  readonly batchId: string;
  readonly manifestFile: string;
  /** The certificates as NDJSON, compared one by one; absent: only the manifest is checked. */
  readonly certificatesFile?: string;
  /** Absent: the key that the manifest names, which shows that nothing broke, not who signed. */
  readonly trustedKey?: KeyObject;
}

/**
 * Checks a manifest and that the certificates are exactly those it lists, in one pass. INVALID_INPUT
 * says what does not fit. Resolves with the number of certificates.
 */
export async function verifyDownload(check: DownloadCheck): Promise<number> {
  const { batchId, manifestFile, certificatesFile, trustedKey } = check;
  const certificates = certificatesFile === undefined ? undefined : singleLines(certificatesFile);
  const summary = await verifyManifest(octetsOf(manifestFile), {
    ...(trustedKey === undefined ? {} : { trustedKey }),
    onEntry: (entry) => (certificates === undefined ? undefined : compare(entry, certificates)),
  });
  if (certificates !== undefined && (await certificates.next()).done !== true) {
    throw manifestMismatch('there are certificates that it does not list');
  }
  if (summary.batchId !== batchId) throw manifestMismatch('it is of another batch');
  return summary.certificates;
}

async function compare(entry: ManifestEntry, certificates: AsyncGenerator<Buffer>): Promise<void> {
  const next = await certificates.next();
  if (next.done === true) {
    throw manifestMismatch(`the certificate of index ${entry.index} is missing`);
  }
  const { index, certificatePem } = parseCertificateLine(next.value.toString());
  const { der } = certificateOf(certificatePem);
  if (index !== entry.index || hash('sha256', der, 'hex') !== entry.sha256) {
    throw manifestMismatch(`the certificate of index ${index} is not the one that it lists`);
  }
}

async function* singleLines(file: string): AsyncGenerator<Buffer> {
  for await (const lines of linesOf(octetsOf(file))) yield* lines;
}

function octetsOf(file: string): AsyncIterable<Uint8Array> {
  return createReadStream(file) as AsyncIterable<Buffer>;
}
