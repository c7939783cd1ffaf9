import { pemEncode } from '@certmill/der';
import { CertmillError, isComplete, stoppingFault, type Batch } from '@certmill/domain';
import { deadLettersLeft, manifestLines, waitForBatch } from '@certmill/pipeline';
import { certificateLines, certificatePems, rejectionLines } from '../download/encode-lines.js';
import { certificatePkcs7 } from '../download/encode-pkcs7.js';
import { certificateTar } from '../download/encode-tar.js';
import { certificateZip } from '../download/encode-zip.js';
import { resultGroups, type ResultGroup } from '../download/result-groups.js';
import { downloadFormats, mediaTypeOfFormat, type DownloadFormat } from './download-formats.js';
import type { IssuanceServices } from './services.js';

export interface DownloadOptions {
  readonly kind: 'certificates' | 'rejections' | 'manifest';
  /** True: goes on until the batch is complete. */
  readonly follow: boolean;
  readonly firstChunk: number;
  readonly signal: AbortSignal;
  /** Of certificates; goes before `accept`. */
  readonly format?: string;
  readonly accept?: string;
}

export interface Download {
  readonly mediaType: string;
  readonly body: AsyncIterable<Uint8Array>;
}

type DownloadServices = Pick<IssuanceServices, 'results' | 'orders' | 'chainOf' | 'manifestKey'>;

/**
 * Results of a batch as octets, read from the store as they are pulled. INVALID_INPUT for an unknown
 * format, CONFLICT for the manifest of a batch that is not complete or has dead letters.
 */
export async function downloadOf(
  services: DownloadServices,
  batch: Batch,
  options: DownloadOptions,
): Promise<Download> {
  if (options.kind === 'rejections') {
    const body = rejectionLines(resultGroups(services.results, batch, options));
    return { mediaType: mediaTypeOfFormat.ndjson, body };
  }
  if (options.kind === 'manifest') return manifestOf(services, batch, options);
  const format = formatOf(options);
  const chain = await chainOf(services, batch);
  const read = (endChunk?: number): AsyncIterable<ResultGroup> =>
    resultGroups(services.results, batch, {
      ...options,
      ...(endChunk === undefined ? {} : { endChunk }),
    });
  return {
    mediaType: mediaTypeOfFormat[format],
    body: encode(format, read, chain.chainDer, batch),
  };
}

function encode(
  format: DownloadFormat,
  read: (endChunk?: number) => AsyncIterable<ResultGroup>,
  chainDer: readonly Uint8Array[],
  batch: Batch,
): AsyncIterable<Uint8Array> {
  const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
  switch (format) {
    case 'ndjson':
      return certificateLines(read());
    case 'pem':
      return certificatePems(read());
    case 'tar':
      return certificateTar(read(), chainPem, batch.createdAtMs);
    case 'zip':
      return certificateZip(read, chainPem);
    case 'p7b':
      return certificatePkcs7(read, chainDer);
  }
}

async function manifestOf(
  services: DownloadServices,
  batch: Batch,
  options: DownloadOptions,
): Promise<Download> {
  const ended = options.follow
    ? await waitForBatch(services.results, batch.tenant, batch.batchId, options.signal)
    : batch;
  if (options.signal.aborted) throw stoppingFault();
  if (ended === undefined || !isComplete(ended)) {
    throw new CertmillError('CONFLICT', 'the manifest is there once the batch is complete');
  }
  const { deadLettered } = ended.counters;
  if (deadLettered > 0) throw deadLettersLeft(ended.batchId, deadLettered);
  const groups = resultGroups(services.results, ended, { ...options, firstChunk: 0 });
  const subject = { batch: ended, ...(await chainOf(services, ended)) };
  return {
    mediaType: mediaTypeOfFormat.ndjson,
    body: manifestLines(groups, subject, services.manifestKey),
  };
}

async function chainOf(
  services: DownloadServices,
  batch: Batch,
): Promise<{ profileHash: string; issuer: string; chainDer: readonly Uint8Array[] }> {
  const order = await services.orders.getOrder(batch.tenant, batch.orderId);
  if (order === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'the order of the batch is not stored');
  }
  const { issuer, profileHash } = order;
  return { issuer, profileHash, chainDer: services.chainOf(issuer) ?? [] };
}

/** `?format=` first, then the first media type of Accept that is one of ours, then NDJSON. */
function formatOf(options: DownloadOptions): DownloadFormat {
  if (options.format !== undefined) {
    const format = downloadFormats.find((name) => name === options.format);
    if (format !== undefined) return format;
    throw new CertmillError('INVALID_INPUT', `format must be one of ${downloadFormats.join(', ')}`);
  }
  for (const range of (options.accept ?? '').split(',')) {
    const mediaType = range.split(';', 1)[0]?.trim().toLowerCase();
    const format = downloadFormats.find(
      (name) => mediaTypeOfFormat[name].split(';', 1)[0] === mediaType,
    );
    if (format !== undefined) return format;
  }
  return 'ndjson';
}
