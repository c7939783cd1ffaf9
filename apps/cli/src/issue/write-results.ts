import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch } from '@certmill/domain';
import { certsOnlyEnvelope, pemEncode } from '@certmill/der';
import { serialNumberOf } from '@certmill/pipeline';
import type { Issuance } from '@certmill/standalone';
import { fileNameOf } from './file-name.js';
import { resultsOfBatch } from './issue-batch.js';

export type FolderFormat = 'pem' | 'der' | 'ndjson' | 'p7b';

/** Files written at once: hides the latency of small files, holds few. */
const filesAtOnce = 16;

/**
 * Writes an ended batch into a folder: one file per device (pem: with its chain; der), or one file
 * (`certificates.ndjson`, `certificates.p7b`), `chain.pem`, and `rejections.ndjson` where there are
 * any. Every file appears whole or not at all; writing again gives the same files.
 */
export async function writeResults(
  issuance: Issuance,
  batch: Batch,
  directory: string,
  format: FolderFormat,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const order = await issuance.services.orders.getOrder(batch.tenant, batch.orderId);
  const chainDer = issuance.services.chainOf(order?.issuer ?? '') ?? [];
  const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
  await writeWhole(join(directory, 'chain.pem'), chainPem);
  await writeRejections(issuance, batch, join(directory, 'rejections.ndjson'));
  if (format === 'ndjson') return writeNdjson(issuance, batch, join(directory, 'certificates.ndjson'));
  if (format === 'p7b') return writeP7b(issuance, batch, join(directory, 'certificates.p7b'), chainDer);
  const pending = new Set<Promise<void>>();
  for await (const results of resultsOfBatch(issuance, batch)) {
    for (const { certificateDer, deviceId } of results) {
      if (certificateDer === undefined) continue;
      const path = join(directory, `${fileNameOf(deviceId)}.${format}`);
      const content = format === 'der' ? certificateDer : pemEncode('CERTIFICATE', certificateDer);
      const write = writeWhole(path, content).finally(() => pending.delete(write));
      pending.add(write);
      if (pending.size >= filesAtOnce) await Promise.race(pending);
    }
  }
  await Promise.all(pending);
}

async function writeRejections(issuance: Issuance, batch: Batch, path: string): Promise<void> {
  if (batch.counters.issued === batch.counters.accepted) return rm(path, { force: true });
  await writeStreamed(path, async (stream) => {
    for await (const results of resultsOfBatch(issuance, batch)) {
      const lines = results.flatMap(({ index, source, deviceId, rejection }) =>
        rejection === undefined ? [] : [`${JSON.stringify({ index, source, deviceId, ...rejection })}\n`],
      );
      await write(stream, lines.join(''));
    }
  });
}

async function writeNdjson(issuance: Issuance, batch: Batch, path: string): Promise<void> {
  await writeStreamed(path, async (stream) => {
    for await (const results of resultsOfBatch(issuance, batch)) {
      const lines = results.flatMap(({ index, deviceId, certificateDer }) => {
        if (certificateDer === undefined) return [];
        const serialNumber = Buffer.from(serialNumberOf(certificateDer)).toString('hex');
        const certificate = pemEncode('CERTIFICATE', certificateDer);
        return [`${JSON.stringify({ index, deviceId, serialNumber, certificate })}\n`];
      });
      await write(stream, lines.join(''));
    }
  });
}

async function writeP7b(
  issuance: Issuance,
  batch: Batch,
  path: string,
  chainDer: readonly Uint8Array[],
): Promise<void> {
  let bytes = chainDer.reduce((total, der) => total + der.length, 0);
  for await (const results of resultsOfBatch(issuance, batch)) {
    for (const { certificateDer } of results) bytes += certificateDer?.length ?? 0;
  }
  const { header, trailer } = certsOnlyEnvelope(bytes);
  await writeStreamed(path, async (stream) => {
    await write(stream, header);
    for await (const results of resultsOfBatch(issuance, batch)) {
      const certificates = results.flatMap(({ certificateDer }) => certificateDer ?? []);
      await write(stream, Buffer.concat(certificates));
    }
    await write(stream, Buffer.concat([...chainDer, trailer]));
  });
}

/** Temporary name, then rename; a file that holds the same already is left alone. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(content as Uint8Array);
  const existing = await readFile(path).catch(() => undefined);
  if (existing?.equals(bytes) === true) return;
  const temporary = `${path}.partial`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function writeStreamed(path: string, fill: (stream: WriteStream) => Promise<void>): Promise<void> {
  const temporary = `${path}.partial`;
  const stream = createWriteStream(temporary);
  const closed = once(stream, 'close');
  try {
    await fill(stream);
  } finally {
    stream.end();
    await closed;
  }
  await rename(temporary, path);
}

async function write(stream: WriteStream, content: string | Uint8Array): Promise<void> {
  if (content.length > 0 && !stream.write(content)) await once(stream, 'drain');
}
