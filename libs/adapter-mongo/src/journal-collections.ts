import type { Collections } from './collections.js';
import { idsUnder, type Stored } from './connection/documents.js';
import type { JournalStorage, StoredEntry, StoredState } from './journal/journal-storage.js';

/** `_id`: `<shard>.<sequence number>`. */
export type EntryDocument = Stored & StoredEntry;

/** A piece of a snapshot's file. `_id`: `<shard>/<id>/<piece>`. */
export interface BlobDocument extends Stored {
  readonly bytes: Uint8Array;
}

/** `_id`: `<shard>`. */
export type StateDocument = Stored & StoredState;

/** A journal's end is asked for again and again: nearly always there is nothing behind it. */
const firstEntries = 4;
/** Up to some 3 MiB each. */
const entriesAtOnce = 16;
const enoughBytes = 32 * 1024 * 1024;

/**
 * The journals of the shards (ADR 0012). On a sharded cluster each entry is on the shard of its own
 * hash, so an append goes to one and a read of several to those that have them.
 */
export class JournalCollections implements JournalStorage {
  readonly #entries: Collections['journal'];
  readonly #blobs: Collections['journalBlobs'];
  readonly #states: Collections['journalStates'];

  constructor(collections: Pick<Collections, 'journal' | 'journalBlobs' | 'journalStates'>) {
    this.#entries = collections.journal;
    this.#blobs = collections.journalBlobs;
    this.#states = collections.journalStates;
  }

  insert(shard: number, seq: number, { head, body }: StoredEntry): Promise<'inserted' | 'exists'> {
    return this.#entries.insert({ _id: entryKey(shard, seq), head, body });
  }

  async read(shard: number, from: number, limit: number): Promise<readonly StoredEntry[]> {
    const read: StoredEntry[] = [];
    let bytes = 0;
    let step = firstEntries;
    while (read.length < limit && bytes < enoughBytes) {
      const count = Math.min(step, limit - read.length);
      const first = from + read.length;
      const keys = Array.from({ length: count }, (_, i) => entryKey(shard, first + i));
      const found = await this.#entries.getMany(keys);
      const byKey = new Map(found.map((entry) => [entry._id, entry]));
      for (const key of keys) {
        const entry = byKey.get(key);
        if (entry === undefined) return read;
        // Copies: the driver's views keep whole replies in memory.
        const [head, body] = [new Uint8Array(entry.head), new Uint8Array(entry.body)];
        read.push({ head, body });
        bytes += head.length + body.length;
      }
      step = entriesAtOnce;
    }
    return read;
  }

  async readHeads(
    shard: number,
    seqs: readonly number[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const keys = seqs.map((seq) => entryKey(shard, seq));
    const found = await this.#entries.getMany([...new Set(keys)], ['head']);
    const heads = new Map(found.map(({ _id, head }) => [_id, head]));
    return keys.map((key) => {
      const head = heads.get(key);
      return head && new Uint8Array(head);
    });
  }

  async putBlob(shard: number, id: string, piece: number, bytes: Uint8Array): Promise<void> {
    // One that is there is our own, of a call that failed: ids are never used twice.
    await this.#blobs.insert({ _id: blobKey(shard, id, piece), bytes });
  }

  async getBlob(shard: number, id: string, piece: number): Promise<Uint8Array | undefined> {
    const found = await this.#blobs.get(blobKey(shard, id, piece));
    return found && new Uint8Array(found.bytes);
  }

  /** All shards look through the range in their index on `_id`. */
  deleteBlob(shard: number, id: string): Promise<void> {
    return this.#blobs.removeAll(idsUnder(`${String(shard)}/${id}/`));
  }

  /** All shards, as `deleteBlob`. */
  async listBlobs(shard: number): Promise<readonly string[]> {
    const prefix = `${String(shard)}/`;
    const found = await this.#blobs.find(idsUnder(prefix), { sort: { _id: 1 }, fields: ['_id'] });
    const ids = found.map(({ _id }) => _id.slice(prefix.length, _id.lastIndexOf('/')));
    return [...new Set(ids)];
  }

  async getState(shard: number): Promise<StoredState | undefined> {
    const found = await this.#states.get(String(shard));
    return found && { version: found.version, value: new Uint8Array(found.value) };
  }

  async compareAndSetState(shard: number, version: number, value: Uint8Array): Promise<boolean> {
    const _id = String(shard);
    if (version === 0) {
      return (await this.#states.insert({ _id, version: 1, value })) === 'inserted';
    }
    return this.#states.update({ _id, version }, { $set: { version: version + 1, value } });
  }
}

function entryKey(shard: number, seq: number): string {
  return `${String(shard)}.${String(seq)}`;
}

function blobKey(shard: number, id: string, piece: number): string {
  return `${String(shard)}/${id}/${String(piece).padStart(6, '0')}`;
}
