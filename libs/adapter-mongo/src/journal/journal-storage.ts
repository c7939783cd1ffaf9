/** One entry of a shard's journal, in two parts so that heads can be read alone. */
export interface StoredEntry {
  /** What the entry decided, a few dozen octets per chunk. */
  readonly head: Uint8Array;
  /** Verdicts and claims, at most some 3 MiB. */
  readonly body: Uint8Array;
}

/** A small document that is replaced as a whole. */
export interface StoredState {
  /** 1, 2, 3 ...: one more with each replacement. */
  readonly version: number;
  readonly value: Uint8Array;
}

/**
 * Where the journals of the shards lie. Every effect MUST be durable (w:majority, j:true) before its
 * call resolves, and every read MUST see what resolved before it began. A call that rejects (with a
 * CertmillError, within bounded time) MAY have had its effect, or MAY have it later.
 */
export interface JournalStorage {
  /** Inserts the entry at its number if none is there. Numbers begin at 1; nothing is ever changed. */
  insert(shard: number, seq: number, entry: StoredEntry): Promise<'inserted' | 'exists'>;
  /**
   * The entries from `from` on in order, at most `limit` (and as many MB as the adapter likes, but
   * one at least); stops before the first number that is missing.
   */
  read(shard: number, from: number, limit: number): Promise<readonly StoredEntry[]>;
  /** Heads alone, aligned with `seqs`; undefined where there is no such entry. */
  readHeads(shard: number, seqs: readonly number[]): Promise<readonly (Uint8Array | undefined)[]>;

  /** Snapshots: files in pieces of at most `blobPieceBytes`. Ids are `[a-z0-9-]+`, never used twice. */
  putBlob(shard: number, id: string, piece: number, bytes: Uint8Array): Promise<void>;
  getBlob(shard: number, id: string, piece: number): Promise<Uint8Array | undefined>;
  /** All its pieces; nothing where there are none. */
  deleteBlob(shard: number, id: string): Promise<void>;
  /** The ids of which at least one piece is there. */
  listBlobs(shard: number): Promise<readonly string[]>;
  getState(shard: number): Promise<StoredState | undefined>;
  /**
   * Replaces the state that has `version` (0: there is none) by `value` with the next version; false
   * where another version is in force. A repeat after a fault may find its own effect and be refused.
   */
  compareAndSetState(shard: number, version: number, value: Uint8Array): Promise<boolean>;
}

/** Well below the 16 MiB of a document. */
export const blobPieceBytes = 4 * 1024 * 1024;
