import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { CertmillError } from '@certmill/domain';
import type { InputItem } from './input-item.js';
import { hasRequestExtension } from './sniff-format.js';

/** Reads one entry of an archive, never another archive. */
export type ReadEntry = (
  stream: AsyncIterable<Uint8Array>,
  name: string,
) => AsyncIterable<readonly InputItem[]>;

/**
 * The regular files of a tar (POSIX.1-2001 pax or ustar) whose name is one of a file of requests, in
 * the archive's order; links, devices and other files are passed over. Names are shown, never used as
 * paths. Faults: INVALID_INPUT where the archive is broken.
 */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  readEntry: ReadEntry,
  onSkipped: (path: string) => void,
): AsyncGenerator<readonly InputItem[]> {
  const archive = extract();
  const source = Readable.from(stream, { objectMode: false });
  source.on('error', (error) => archive.destroy(error));
  source.pipe(archive);
  try {
    for await (const entry of archive) {
      const { name, type } = entry.header;
      if (type !== 'file' || !hasRequestExtension(name)) {
        if (type !== 'directory') onSkipped(name);
        entry.resume();
        continue;
      }
      yield* readEntry(entry as AsyncIterable<Uint8Array>, name);
    }
  } catch (cause) {
    if (cause instanceof CertmillError) throw cause;
    throw new CertmillError('INVALID_INPUT', 'the tar archive is broken or cut off', { cause });
  } finally {
    source.destroy();
  }
}
