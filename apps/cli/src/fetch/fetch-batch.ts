import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { deadLettersLeft } from '@certmill/pipeline';
import type { IssuanceClient } from '../client/issuance-client.js';
import { isFinished, type BatchView } from '../client/views.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { wholeFormats, type FetchFormat } from './fetch-format.js';
import { spoolCertificates } from './spool.js';
import { verifyDownload } from './verify-download.js';
import { pemOf, writeDerFiles, writeWhole } from './write-files.js';

export interface FetchOptions {
  /** A folder (it exists, ends with a slash, or the format is `der`) or a file. */
  readonly out: string;
  readonly format: FetchFormat;
  /** PEM of the public key that signs the manifests of the server. */
  readonly manifestKeyFile?: string;
  readonly terminal: Terminal;
}

export interface Fetched {
  readonly certificates: number;
  readonly files: readonly string[];
}

/**
 * Waits for the end of a batch, downloads what came of it, checks it against the signed manifest and
 * only then writes it under its final name. Broken off, it goes on from its spool file when it is
 * called again. CONFLICT where the batch has dead letters: nothing is kept of it.
 */
export async function fetchBatch(
  client: IssuanceClient,
  batch: BatchView,
  options: FetchOptions,
): Promise<Fetched> {
  const { batchId, counters } = batch;
  const { format, terminal } = options;
  const trustedKey = publicKeyOf(options.manifestKeyFile);
  const isFolder = await isFolderWanted(options);
  const folder = isFolder ? options.out : dirname(options.out);
  await mkdir(folder, { recursive: true });
  const file = isFolder ? join(folder, `certificates.${format}`) : options.out;
  const spool = join(folder, `.certmill-${batchId}.ndjson`);
  const manifestFile = isFolder ? join(folder, 'manifest.ndjson') : `${spool}.manifest`;
  const isWhole = wholeFormats.has(format);

  if (isFinished(batch) && counters.deadLettered > 0) {
    throw deadLettersLeft(batchId, counters.deadLettered);
  }
  using progress = terminal.progress('fetched');
  if (!isWhole) {
    await spoolCertificates(client, batchId, spool, (done) =>
      progress.update({ done, total: Math.max(done, counters.issued) }),
    );
  } else {
    const query = { format, follow: true };
    await repeated(client, () =>
      writeWhole(file, client.batchResults(batchId, 'certificates', query)),
    );
  }
  const { deadLettered } = (await client.getBatch(batchId)).counters;
  if (deadLettered > 0) {
    // It has gaps that a later run would not fill.
    await rm(isWhole ? file : spool, { force: true });
    throw deadLettersLeft(batchId, deadLettered);
  }
  await repeated(client, () => writeWhole(manifestFile, client.batchManifest(batchId)));
  const certificates = await checked(
    {
      batchId,
      manifestFile,
      ...(isWhole ? {} : { certificatesFile: spool }),
      ...(trustedKey === undefined ? {} : { trustedKey }),
    },
    isWhole ? file : spool,
  );
  progress.update({ done: certificates, total: certificates });
  progress.stop();

  const files: string[] = [];
  if (format === 'der') {
    await writeDerFiles(spool, folder);
    files.push(`${formatNumber(certificates)} files in ${folder}`);
  } else {
    if (format === 'pem') await writeWhole(file, pemOf(spool));
    if (format === 'ndjson') await rename(spool, file);
    files.push(file);
  }
  await rm(spool, { force: true });
  if (!isFolder) {
    await rm(manifestFile);
    return { certificates, files };
  }
  files.push(manifestFile, ...(await fetchRejections(client, batchId, folder)));
  return { certificates, files };
}

/** A file that does not fit is removed: a later run must not go on from it. */
async function checked(check: Parameters<typeof verifyDownload>[0], file: string): Promise<number> {
  try {
    return await verifyDownload(check);
  } catch (error) {
    await rm(file, { force: true });
    await rm(check.manifestFile, { force: true });
    throw error;
  }
}

/** Resolves with the file where there are any rejections. */
async function fetchRejections(
  client: IssuanceClient,
  batchId: string,
  folder: string,
): Promise<string[]> {
  const file = join(folder, 'rejections.ndjson');
  const query = { follow: true };
  await repeated(client, () => writeWhole(file, client.batchResults(batchId, 'rejections', query)));
  const { size } = await stat(file);
  if (size > 0) return [file];
  await rm(file);
  return [];
}

async function repeated(client: IssuanceClient, download: () => Promise<void>): Promise<void> {
  const patience = client.patience();
  for (;;) {
    try {
      await download();
      return;
    } catch (error) {
      await patience.wait(error, true);
    }
  }
}

async function isFolderWanted({ out, format }: FetchOptions): Promise<boolean> {
  if (format === 'der' || /[/\\]$/.test(out)) return true;
  const stats = await stat(out).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

function publicKeyOf(file: string | undefined): KeyObject | undefined {
  if (file === undefined) return undefined;
  try {
    return createPublicKey(readFileSync(file));
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `${file} holds no public key in PEM`, { cause });
  }
}
