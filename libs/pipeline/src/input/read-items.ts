import { decompress, type Compression } from './decompress.js';
import { defaultInputLimits, type InputItem, type InputLimits } from './input-item.js';
import { readCsv } from './read-csv.js';
import { readDer } from './read-der.js';
import { readNdjson } from './read-ndjson.js';
import { readPem } from './read-pem.js';
import { readTar } from './read-tar.js';
import { sniffBytes, sniffCompression, sniffFormat, type InputFormat } from './sniff-format.js';

export interface ReadOptions {
  /** Known format; sniffed from the first octets, the content type and the name where absent. */
  readonly format?: InputFormat;
  readonly contentType?: string;
  readonly fileName?: string;
  /** Known compression, as of Content-Encoding; sniffed where absent. */
  readonly compression?: Compression;
  readonly limits?: InputLimits;
  /** Put before each place, e.g. `folder/a.pem`; '' where the upload is one stream. */
  readonly prefix?: string;
}

/**
 * The requests of a stream in any format that Certmill takes (NDJSON, PEM, CSV, DER, tar; gzip or
 * zstd), in groups as they come. Nothing is held whole; iterating is the back-pressure. A bad request
 * is an item with a rejection; faults are INVALID_INPUT and LIMIT_EXCEEDED.
 */
export async function* readItems(
  stream: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<readonly InputItem[]> {
  yield* readAny(stream, { ...options, limits: options.limits ?? defaultInputLimits }, true);
}

async function* readAny(
  stream: AsyncIterable<Uint8Array>,
  options: ReadOptions & { readonly limits: InputLimits },
  mayBeTar: boolean,
): AsyncGenerator<readonly InputItem[]> {
  const raw = await peek(stream);
  const compression = options.compression ?? sniffCompression(raw.first);
  const { first, all } =
    compression === undefined ? raw : await peek(decompress(raw.all, compression, options.limits));
  const format = options.format ?? sniffFormat(first, options.fileName, options.contentType);
  const { limits, prefix = '' } = options;
  const ofLine = (line: number): string =>
    prefix === '' ? `line ${String(line)}` : `${prefix}:${String(line)}`;
  switch (format) {
    case 'ndjson':
      return yield* readNdjson(all, limits, ofLine);
    case 'pem':
      return yield* readPem(all, limits, ofLine);
    case 'csv':
      return yield* readCsv(all, limits, ofLine);
    case 'der':
      return yield* readDer(all, limits, (offset) =>
        prefix === ''
          ? `byte ${String(offset)}`
          : offset === 0
            ? prefix
            : `${prefix}@${String(offset)}`,
      );
    case 'tar':
      if (!mayBeTar) return yield* readDer(all, limits, () => prefix);
      return yield* readTar(all, (entry, name) =>
        readAny(
          entry,
          { limits, fileName: name, prefix: prefix === '' ? name : `${prefix}/${name}` },
          false,
        ),
      );
  }
}

/** The first octets of a stream (all of a short one), and the stream as if nothing had been read. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly first: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < sniffBytes) {
    const next = await iterator.next();
    if (next.done === true) break;
    seen.push(next.value);
    bytes += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* seen;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { first: Buffer.concat(seen).subarray(0, sniffBytes), all: all() };
}
