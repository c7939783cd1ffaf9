import { CertmillError } from '@certmill/domain';
import { decompress } from './decompress.js';
import { defaultInputLimits, type InputItem, type InputLimits } from './input-item.js';
import { rejectedItem } from './judge-request.js';
import { peekStream } from './peek-stream.js';
import { readCsv } from './read-csv.js';
import { readDer } from './read-der.js';
import { readNdjson } from './read-ndjson.js';
import { readPem } from './read-pem.js';
import { readTar } from './read-tar.js';
import { sniffBytes, sniffCompression, sniffFormat, type InputFormat } from './sniff-format.js';

export interface ReadInputOptions {
  /** Known format; sniffed where absent. */
  readonly format?: InputFormat;
  readonly fileName?: string;
  readonly contentType?: string;
  readonly limits?: Partial<InputLimits>;
  /** Put before the line in sources (`a.pem:17`); `line 17` without it. */
  readonly sourceName?: string;
  /** Called with the path of each archive entry that was passed over. */
  readonly onSkipped?: (path: string) => void;
}

/** Two rounds: what is sent as .gz may come with Content-Encoding: gzip as well. */
const maxCompressionRounds = 2;

/**
 * The requests of an upload or a file, in order, in batches of what came at once. gzip and zstd are
 * seen by their first octets, whatever headers and names say. The stream is read as fast as the
 * caller iterates and is never held whole; leaving early closes it. However it is cut into pieces,
 * the items are the same.
 * Faults: INVALID_INPUT where compressed data or an archive are corrupt (the message says how many
 * requests came before), or a CSV has no csr column; LIMIT_EXCEEDED for a decompression bomb. The
 * items before a fault have been yielded.
 */
export async function* readInput(
  stream: AsyncIterable<Uint8Array>,
  options: ReadInputOptions = {},
): AsyncGenerator<readonly InputItem[]> {
  const limits = { ...defaultInputLimits, ...options.limits };
  let good = 0;
  try {
    for await (const items of readAny(stream, options, limits, false)) {
      yield items;
      for (const item of items) if (item.rejection === undefined) good++;
    }
  } catch (error) {
    if (!(error instanceof CertmillError)) throw error;
    const count = `${String(good)} good ${good === 1 ? 'request' : 'requests'} before it`;
    throw new CertmillError(error.code, `${error.message} (${count})`, { cause: error });
  }
}

async function* readAny(
  source: AsyncIterable<Uint8Array>,
  options: ReadInputOptions,
  limits: InputLimits,
  isEntry: boolean,
): AsyncGenerator<readonly InputItem[]> {
  let peeked = await peekStream(source, sniffBytes);
  for (let round = 0; round < maxCompressionRounds; round++) {
    const compression = sniffCompression(peeked.firstBytes);
    if (compression === undefined) break;
    peeked = await peekStream(decompress(peeked.stream, compression, limits), sniffBytes);
  }
  const { firstBytes, stream } = peeked;
  const name = options.sourceName;
  const format = options.format ?? sniffFormat(firstBytes, options.fileName, options.contentType);
  const lineSource =
    name === undefined
      ? (line: number) => `line ${String(line)}`
      : (line: number) => `${name}:${String(line)}`;
  switch (format) {
    case 'ndjson':
      yield* readNdjson(stream, limits, lineSource);
      return;
    case 'pem':
      yield* readPem(stream, limits, lineSource);
      return;
    case 'csv':
      yield* readCsv(stream, limits, lineSource);
      return;
    case 'der':
      yield* readDer(stream, limits, offsetSource(name));
      return;
    case 'tar':
      if (isEntry) yield [archiveInArchive(name ?? '')];
      else {
        yield* readTar(
          stream,
          (entry, path) => readEntry(entry, path, options, limits),
          options.onSkipped ?? (() => undefined),
        );
      }
  }
}

/** A file of an archive: sniffed by its own contents and name; an empty one is not passed over. */
async function* readEntry(
  stream: AsyncIterable<Uint8Array>,
  path: string,
  options: ReadInputOptions,
  limits: InputLimits,
): AsyncGenerator<readonly InputItem[]> {
  const sourceName = options.sourceName === undefined ? path : `${options.sourceName}/${path}`;
  let isEmpty = true;
  for await (const items of readAny(stream, { sourceName, fileName: path }, limits, true)) {
    isEmpty = false;
    yield items;
  }
  if (isEmpty) yield [emptyFile(sourceName)];
}

/** The rejection of a file without any request. */
export function emptyFile(source: string): InputItem {
  return rejectedItem(source, '', 'INPUT_NOT_A_CSR', 'the file has no request in it');
}

function archiveInArchive(source: string): InputItem {
  return rejectedItem(source, '', 'INPUT_NOT_A_CSR', 'an archive in an archive is not read');
}

function offsetSource(name: string | undefined): (offset: number) => string {
  if (name === undefined) return (offset) => `byte ${String(offset)}`;
  return (offset) => (offset === 0 ? name : `${name}@${String(offset)}`);
}
