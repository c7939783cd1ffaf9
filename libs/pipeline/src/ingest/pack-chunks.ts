import { createHash } from 'node:crypto';
import { maxChunkBytes, rejectionNumber, requestBounds } from '@certmill/domain';
import type { InputItem } from '../input/input-item.js';

/** The requests of one chunk as columns, before ingest pins time, profile and issuer. */
export interface PackedRequests {
  readonly requestsDer: Uint8Array;
  readonly requestLengths: readonly number[];
  readonly deviceIds: readonly string[];
  readonly sources: readonly string[];
  readonly rejections: readonly number[];
  readonly rejectionDetails: readonly string[];
  /** SHA-256 over DER, lengths, device ids and rejections: equal for the same requests only. */
  readonly digest: Uint8Array;
}

/**
 * Packs items into chunks of up to so many requests and 512 KiB, cut by count and bytes only, never by
 * time: the same items give the same chunks, so a resend meets the chunks of the first send.
 * The views it returns own their bytes.
 */
export class ChunkPacker {
  readonly #maxRequests: number;
  #items: InputItem[] = [];
  #bytes = 0;

  constructor(maxRequests: number) {
    this.#maxRequests = maxRequests;
  }

  /** Adds an item; returns the chunk that is full before it, if any. */
  add(item: InputItem): PackedRequests | undefined {
    const full =
      this.#items.length === this.#maxRequests ||
      (this.#items.length > 0 && this.#bytes + item.der.length > maxChunkBytes);
    const packed = full ? this.take() : undefined;
    this.#items.push(item);
    this.#bytes += item.der.length;
    return packed;
  }

  /** The chunk begun, undefined when empty. Call at the end of the upload only. */
  take(): PackedRequests | undefined {
    if (this.#items.length === 0) return undefined;
    const items = this.#items;
    const requestsDer = Buffer.allocUnsafeSlow(this.#bytes);
    this.#items = [];
    this.#bytes = 0;
    return pack(items, requestsDer);
  }
}

function pack(items: readonly InputItem[], requestsDer: Buffer): PackedRequests {
  const requestLengths = new Array<number>(items.length);
  const deviceIds = new Array<string>(items.length);
  const sources = new Array<string>(items.length);
  const rejections = new Array<number>(items.length);
  const rejectionDetails = new Array<string>(items.length);
  let at = 0;
  items.forEach((item, i) => {
    requestsDer.set(item.der, at);
    at += item.der.length;
    requestLengths[i] = item.der.length;
    deviceIds[i] = item.deviceId;
    sources[i] = cutSource(item.source);
    rejections[i] = item.rejection === undefined ? 0 : rejectionNumber(item.rejection.code);
    rejectionDetails[i] = item.rejection?.detail ?? '';
  });
  const columns = { requestsDer, requestLengths, deviceIds, sources, rejections, rejectionDetails };
  return { ...columns, digest: digestOf(columns) };
}

/** SHA-256 of what makes the requests of a chunk: the digest that it is registered with. */
export function digestOf({
  requestsDer,
  requestLengths,
  deviceIds,
  rejections,
}: Omit<PackedRequests, 'digest'>): Uint8Array {
  return createHash('sha256')
    .update(JSON.stringify([requestLengths, deviceIds, rejections]))
    .update(requestsDer)
    .digest();
}

/** The end of a path tells more than its beginning. */
function cutSource(source: string): string {
  const { source: maxBytes } = requestBounds;
  // Three octets of UTF-8 at most for each unit of UTF-16.
  if (source.length * 3 <= maxBytes || Buffer.byteLength(source) <= maxBytes) return source;
  return `...${source.slice(3 - Math.floor(maxBytes / 3))}`.toWellFormed();
}
