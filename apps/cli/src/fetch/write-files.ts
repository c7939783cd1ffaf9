import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { linesOf } from '@certmill/pipeline';
import { certificateOf, parseCertificateLine } from './certificate-line.js';

/** Writes a file under another name first: whoever sees the file sees all of it, durable. */
export async function writeWhole(file: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${file}.part`;
  await pipeline(bytes, createWriteStream(temporary, { flush: true }));
  await rename(temporary, file);
}

/** The spooled certificates as concatenated PEM. */
export async function* pemOf(spool: string): AsyncGenerator<Uint8Array> {
  for await (const lines of linesOf(createReadStream(spool) as AsyncIterable<Buffer>)) {
    const pems = lines.map((line) => parseCertificateLine(line.toString()).certificatePem);
    yield Buffer.from(pems.map((pem) => `${pem.trimEnd()}\n`).join(''));
  }
}

/**
 * One DER file per certificate, named by its serial number: device ids are not always file names.
 * Resolves with their number.
 */
export async function writeDerFiles(spool: string, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  let count = 0;
  for await (const lines of linesOf(createReadStream(spool) as AsyncIterable<Buffer>)) {
    await Promise.all(
      lines.map(async (line) => {
        const { certificatePem } = parseCertificateLine(line.toString());
        const { der, serialHex } = certificateOf(certificatePem);
        const file = join(folder, `${serialHex}.der`);
        await writeFile(`${file}.part`, der);
        await rename(`${file}.part`, file);
      }),
    );
    count += lines.length;
  }
  await syncFolder(folder);
  return count;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
