import { hash } from 'node:crypto';
import type { ChunkRef, OrderId } from '@certmill/domain';

/** A chunk's verdict with what it claims. */
export interface DecisionItem {
  readonly kind: 'decision';
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  /** Takes over claims of its devices (`Order.renews`), which come back with what it gives back. */
  readonly renews: boolean;
  /** Of the chunk's first request in its batch. */
  readonly firstIndex: number;
  /** Requests of the chunk. */
  readonly count: number;
  readonly verdict: Uint8Array;
  /** Of each request that the verdict accepts, in order, as RequestKeys writes them. */
  readonly keys: Buffer;
}

/**
 * What ends claims of a decided chunk: `giving-back` also the hold on the keys, and gives quota back;
 * `claim-release` is a revocation. `key-block` ends none: nobody is issued a certificate for its keys any more.
 */
export interface ReleaseItem {
  readonly kind: 'giving-back' | 'claim-release' | 'key-block';
  readonly chunk: ChunkRef;
  /** Of the decision: whose quota it is. */
  readonly orderId: OrderId;
  /** In the chunk, each of a request that was accepted. */
  readonly positions: readonly number[];
  /** Of each of them, as in the decision. */
  readonly keys: Buffer;
}

export type JournalItem = DecisionItem | ReleaseItem;

/**
 * An entry in full, made from all entries before it. A request's place in it counts the requests of
 * all its decisions, rejected ones too.
 */
export interface JournalEntry {
  /** The chain after the entry before: tells what this one was made from. */
  readonly previous: Uint8Array;
  readonly items: readonly JournalItem[];
}

/** Bounds of the format: a view makes room for an entry before it folds it. */
export const maxItemsPerEntry = 64;
export const maxRequestsPerEntry = 4_096;
/** What a writer puts in one entry together. One verdict alone may be larger. */
export const maxEntryBytes = 2 * 1024 * 1024;

export const chainBytes = 32;
/** Before the first entry. */
export const emptyChain: Uint8Array = new Uint8Array(chainBytes);

/**
 * What stands for all entries up to one: SHA-256 over what stands for those before and its head,
 * which holds the digest of its body. An entry whose `previous` is not the chain before it was made
 * from another history, by a zombie or before a restore, and has no effect.
 */
export function chainAfter(previous: Uint8Array, head: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([previous, head]), 'buffer');
}
