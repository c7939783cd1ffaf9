import { pipeline } from 'node:stream';
import { CertmillError } from '@certmill/domain';
import { extract } from 'tar-stream';
import type { InputItem } from './input-item.js';
import { hasRequestExtension } from './sniff-format.js';

/** Reads one file of an archive; `path` names it in sources. */
export type EntryReader = (
  stream: AsyncIterable<Uint8Array>,
  path: string,
) => AsyncIterable<readonly InputItem[]>;

/**
 * The requests of a tar archive, entry by entry in its order. Only regular files whose names end
 * like requests are read (see sniff-format); hidden files, links, devices and others are passed
 * over, and no path of the archive is ever opened: it names the source, nothing more.
 * Faults: INVALID_INPUT where the archive is cut short or corrupt.
 */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  readEntry: EntryReader,
  onSkipped: (path: string) => void,
): AsyncGenerator<readonly InputItem[]> {
  const source = { failure: undefined as { readonly cause: unknown } | undefined };
  const archive = extract();
  pipeline(watched(stream, source), archive, () => {
    // The loop below meets the same error, with the entries before it in order.
  });
  try {
    for await (const entry of archive) {
      const path = sourcePath(entry.header.name);
      const isFile = entry.header.type === 'file' || entry.header.type === 'contiguous-file';
      if (isFile && hasRequestExtension(path) && !isHidden(path)) {
        yield* readEntry(entry as AsyncIterable<Uint8Array>, path);
      } else if (isFile) onSkipped(path);
      entry.resume();
    }
  } catch (error) {
    if (source.failure !== undefined) throw source.failure.cause;
    if (error instanceof CertmillError) throw error;
    throw new CertmillError('INVALID_INPUT', 'the tar archive is cut short or corrupt', {
      cause: error,
    });
  } finally {
    archive.destroy();
  }
}

async function* watched(
  stream: AsyncIterable<Uint8Array>,
  source: { failure: { readonly cause: unknown } | undefined },
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    source.failure = { cause };
    throw cause;
  }
}

function isHidden(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.') && part !== '.' && part !== '..');
}

/** The name as it may stand in logs and reports. */
function sourcePath(name: string): string {
  return name.replace(/^(?:\.\/)+/, '').replace(/[\p{Cc}\p{Cs}]/gu, '?');
}
