import { CertmillError, chunkIdOf, rejectionNumber, type ChunkRef } from '@certmill/domain';
import type { StoredRequest, TerminalChunk } from '@certmill/ports';
import type { Ends } from '../batches/bucket-document.js';
import type { Documents, Stored } from '../connection/documents.js';
import type { RequestPlace } from '../journal/claim-journal.js';

/** What follows from a stored segment, for whoever finishes it. */
export interface TerminalDocument {
  readonly ends: Ends;
  /** Indexes of requests that were accepted and not issued. */
  readonly released: readonly number[];
  /** As in TerminalChunk; absent too in what was stored before it was noted. */
  readonly notAfterMs?: number;
  readonly publishedAtMs: number;
  readonly receivedAtMs: number;
}

/** `_id`: `<tenant>/<chunk id>`. The first one that is stored ends the chunk; it never changes. */
export interface SegmentDocument extends Stored {
  readonly terminal: TerminalDocument;
  /** The encoded IssuedChunk. */
  readonly segment: Uint8Array;
}

/** What of a terminal record its segment is made of. */
export type SegmentToStore = Pick<
  TerminalChunk,
  | 'chunk'
  | 'firstIndex'
  | 'segment'
  | 'codes'
  | 'endedAs'
  | 'released'
  | 'notAfterMs'
  | 'publishedAtMs'
  | 'receivedAtMs'
>;

const cancelled = rejectionNumber('BATCH_CANCELLED');
/** Some 250 KB each, of large chunks 1 MB. */
const segmentsAtOnce = 16;

function segmentKey(chunk: ChunkRef): string {
  return `${chunk.tenant}/${chunkIdOf(chunk)}`;
}

/** Segments of ended chunks. */
export class Segments {
  readonly #segments: Documents<SegmentDocument>;

  constructor(segments: Documents<SegmentDocument>) {
    this.#segments = segments;
  }

  /** Stores it, if it is the first of its chunk; resolves to what the stored one says. */
  async insert(
    terminal: SegmentToStore,
  ): Promise<{ readonly isFirst: boolean; readonly stored: TerminalDocument }> {
    const { notAfterMs } = terminal;
    const document: SegmentDocument = {
      _id: segmentKey(terminal.chunk),
      terminal: {
        ends: endsOf(terminal),
        released: [...terminal.released],
        ...(notAfterMs === undefined ? {} : { notAfterMs }),
        publishedAtMs: terminal.publishedAtMs,
        receivedAtMs: terminal.receivedAtMs,
      },
      segment: terminal.segment,
    };
    if ((await this.#segments.insert(document)) === 'inserted') {
      return { isFirst: true, stored: document.terminal };
    }
    const stored = await this.terminal(terminal.chunk);
    if (stored === undefined) {
      throw new CertmillError('FAULT_STORE_DOWN', 'a segment is there and cannot be read yet');
    }
    return { isFirst: false, stored };
  }

  async terminal(chunk: ChunkRef): Promise<TerminalDocument | undefined> {
    return (await this.#segments.get(segmentKey(chunk), ['terminal']))?.terminal;
  }

  async get(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    const found = await this.#segments.get(segmentKey(chunk), ['segment']);
    // A copy: the driver's view keeps the whole reply in memory.
    return found && new Uint8Array(found.segment);
  }

  /** Whether each chunk has ended. */
  async haveEnded(chunks: readonly ChunkRef[]): Promise<readonly boolean[]> {
    const keys = chunks.map(segmentKey);
    const found = await this.#segments.getMany([...new Set(keys)], ['_id']);
    const ended = new Set(found.map(({ _id }) => _id));
    return keys.map((key) => ended.has(key));
  }

  /** What is stored with the segment of each chunk that has ended; one read, without the segments. */
  async terminals(chunks: readonly ChunkRef[]): Promise<readonly (TerminalDocument | undefined)[]> {
    const keys = chunks.map(segmentKey);
    const found = await this.#segments.getMany([...new Set(keys)], ['terminal']);
    const terminals = new Map(found.map(({ _id, terminal }) => [_id, terminal]));
    return keys.map((key) => terminals.get(key));
  }

  /** The first `limit` places whose chunks have ended. */
  async requestsAt(places: readonly RequestPlace[], limit: number): Promise<StoredRequest[]> {
    const requests: StoredRequest[] = [];
    let at = 0;
    while (at < places.length && requests.length < limit) {
      const together = places.slice(at, at + Math.min(segmentsAtOnce, limit - requests.length));
      at += together.length;
      const keys = together.map(({ chunk }) => segmentKey(chunk));
      const found = await this.#segments.getMany([...new Set(keys)], ['segment']);
      const segments = new Map(found.map(({ _id, segment }) => [_id, segment]));
      for (const [i, { chunk, index }] of together.entries()) {
        const segment = segments.get(keys[i] ?? '');
        if (segment === undefined) continue;
        const { tenant, batchId, chunkNumber } = chunk;
        requests.push({ tenant, batchId, chunkNumber, index, segment: new Uint8Array(segment) });
      }
    }
    return requests;
  }
}

export function endsOf(terminal: SegmentToStore): Ends {
  const ends = { issued: 0, rejected: 0, cancelled: 0 };
  const released = new Set(terminal.released);
  for (const [position, code] of terminal.codes.entries()) {
    if (code === 0) ends.issued += 1;
    else if (released.has(terminal.firstIndex + position)) ends[terminal.endedAs] += 1;
    // Cancelled before it was validated: the verdict itself says so.
    else if (code === cancelled) ends.cancelled += 1;
    else ends.rejected += 1;
  }
  return ends;
}
