import { CertmillError } from '@certmill/domain';
import {
  decodeEntry,
  decodeEntryHead,
  type DecidedChunk,
  type DecodedDecision,
  type DecodedEntry,
  type EntryHead,
} from './entry-codec.js';
import type { JournalStorage } from './journal-storage.js';

/** A head is some kilobytes decoded. */
const maxHeads = 256;
/** Redelivered chunks come in the order in which they were decided, several to an entry. */
const maxEntries = 2;

/** Entries that are in the journal, read again: which chunk a claim's holder is of, and verdicts. */
export class RecentEntries {
  readonly #storage: JournalStorage;
  readonly #shard: number;
  /** In order of use, the latest last. */
  readonly #heads = new Map<number, EntryHead>();
  readonly #entries = new Map<number, Promise<DecodedEntry>>();

  constructor(storage: JournalStorage, shard: number) {
    this.#storage = storage;
    this.#shard = shard;
  }

  /** Faults: FAULT_STORE_DOWN, FAULT_STORE_CORRUPT where one is missing. */
  async heads(seqs: ReadonlySet<number>): Promise<ReadonlyMap<number, EntryHead>> {
    const found = new Map<number, EntryHead>();
    const missing: number[] = [];
    for (const seq of seqs) {
      const known = this.#heads.get(seq);
      if (known === undefined) missing.push(seq);
      else found.set(seq, known);
    }
    if (missing.length > 0) {
      const read = await this.#storage.readHeads(this.#shard, missing);
      for (const [i, seq] of missing.entries()) {
        const bytes = read[i];
        if (bytes === undefined) throw entryMissing(seq);
        found.set(seq, decodeEntryHead(bytes));
      }
    }
    for (const [seq, head] of found) touch(this.#heads, seq, head, maxHeads);
    return found;
  }

  /** The decision that begins at a place of an entry. Faults: as `heads`. */
  async decision(seq: number, start: number): Promise<DecodedDecision> {
    const reading = this.#entries.get(seq) ?? this.#read(seq);
    touch(this.#entries, seq, reading, maxEntries);
    const { items } = await reading;
    for (const item of items) if (item.kind === 'decision' && item.start === start) return item;
    throw new CertmillError('FAULT_STORE_CORRUPT', `entry ${String(seq)} lacks a decision`);
  }

  #read(seq: number): Promise<DecodedEntry> {
    const reading = this.#storage.read(this.#shard, seq, 1).then(([entry]) => {
      if (entry === undefined) throw entryMissing(seq);
      return decodeEntry(entry);
    });
    reading.catch(() => {
      if (this.#entries.get(seq) === reading) this.#entries.delete(seq);
    });
    return reading;
  }
}

/** The chunk that a place of an entry is in. */
export function chunkAt(head: EntryHead, index: number): DecidedChunk {
  const found = head.decided.find(({ start, count }) => start <= index && index < start + count);
  if (found !== undefined) return found;
  throw new CertmillError('FAULT_STORE_CORRUPT', 'a claim is held by no request of its entry');
}

function touch<T>(recent: Map<number, T>, seq: number, value: T, max: number): void {
  recent.delete(seq);
  recent.set(seq, value);
  const oldest = recent.keys().next().value;
  if (recent.size > max && oldest !== undefined) recent.delete(oldest);
}

function entryMissing(seq: number): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `entry ${String(seq)} of a journal is missing`);
}
