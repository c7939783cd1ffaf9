import type { CrlScope, ScopeFollower } from '@certmill/ports';
import type { Stored } from '../connection/documents.js';

/** The folded rows of a scope up to an entry of its log, in blocks by serial number. */
export interface SnapshotDocument {
  readonly id: string;
  /** Rows of entries up to this one are in it. */
  readonly upTo: number;
  readonly rows: number;
  /** Of the scope, with the last of them. */
  readonly changes: number;
  /** The first serial number of each block, hex. */
  readonly firsts: readonly string[];
  /** SHA-256 of each block, hex. */
  readonly digests: readonly string[];
  /** The seal of entry `upTo`; empty for none. */
  readonly head: string;
  /** Binds all of it (`ScopeSeals`); empty where the store is opened without keys. */
  readonly seal: string;
}

/** How far statuses and claims follow from a scope's log. */
export interface AppliedEntries {
  /** Entries up to this one are in statuses and claims. */
  readonly applied: number;
  /** As of `applied`. */
  readonly changes: number;
  readonly changedAtMs: number;
  /** The seal of that entry; empty for none. */
  readonly head: string;
}

/**
 * A scope of a CRL. `_id`: `<issuer>/<shard>`. Its log is what counts: the statuses of certificates follow
 * from it up to `applied`, and an entry between that and `intended` may be there.
 */
export interface ScopeDocument extends Stored, CrlScope, AppliedEntries {
  /** The highest number that a writer was about to insert. */
  readonly intended: number;
  /** Binds `AppliedEntries` (`ScopeSeals`); empty of a scope without entries, and of a store without keys. */
  readonly seal: string;
  readonly snapshot?: SnapshotDocument;
  /** Changes that what follows from the scope has, where any of it is there. */
  readonly followed?: Readonly<Partial<Record<ScopeFollower, number>>>;
}

/**
 * Changes of one scope, in their order. `_id`: `<issuer>/<shard>/<number from 1>`. It never goes away: a
 * writer that is late must find its number taken. A snapshot takes its rows over and leaves it empty.
 */
export interface LogDocument extends Stored {
  /** Certificates, `<tenant>/<batch>/<index>`, aligned with the rows. */
  readonly places: readonly string[];
  /** As of `row-codec.ts`. */
  readonly rows: Uint8Array;
  /** Of the scope, with these. */
  readonly changes: number;
  readonly atMs: number;
  /** Binds it to the entry before (`ScopeSeals`); empty where the store is opened without keys. */
  readonly seal: string;
  /** Of one try to insert it. */
  readonly writer?: string;
  readonly isFolded?: boolean;
  /** What the seal was of, where it is emptied: `contentOf`. */
  readonly content?: Uint8Array;
}

/** An entry of the form that it has where one of us wrote it. */
export function isLogDocument(entry: { readonly [Field in keyof LogDocument]: unknown }): boolean {
  const { places, rows, changes, atMs, seal, isFolded = false, content } = entry;
  return (
    Array.isArray(places) &&
    places.every((place) => typeof place === 'string') &&
    rows instanceof Uint8Array &&
    [changes, atMs].every(Number.isFinite) &&
    typeof seal === 'string' &&
    (isFolded === false || (isFolded === true && content instanceof Uint8Array))
  );
}

/** Rows in order of their serial numbers. `_id`: `<issuer>/<shard>/<snapshot>/<number from 0>`. */
export interface BlockDocument extends Stored {
  readonly rows: Uint8Array;
}

export function scopeKey({ issuer, shard }: CrlScope): string {
  return `${issuer}/${String(shard)}`;
}

/** Undefined for what is no key of a scope. */
export function scopeOfKey(key: string): CrlScope | undefined {
  const at = key.lastIndexOf('/');
  const scope = { issuer: key.slice(0, at), shard: Number(key.slice(at + 1)) };
  return scopeKey(scope) === key ? scope : undefined;
}

export function logKey(scope: CrlScope, entry: number): string {
  return `${scopeKey(scope)}/${String(entry)}`;
}

export function blockKey(scope: CrlScope, snapshot: string, block: number): string {
  return `${scopeKey(scope)}/${snapshot}/${String(block)}`;
}
