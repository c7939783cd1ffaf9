import type { CrlScope } from '@certmill/ports';
import type { Documents } from '../connection/documents.js';
import { decodeRows, type ScopeRow } from './row-codec.js';
import { logKey, scopeKey, type LogDocument, type ScopeDocument } from './scope-documents.js';
import { contentOf, type SealedEntry } from './scope-seals.js';

/** An entry of a scope's log. */
export interface LogEntry extends SealedEntry {
  readonly places: readonly string[];
  readonly rows: readonly ScopeRow[];
  readonly changes: number;
  readonly atMs: number;
  /** A snapshot has taken its rows over. */
  readonly isFolded: boolean;
}

/** A scope and the entries behind a number. */
export interface UnappliedEntries {
  readonly scope: ScopeDocument;
  readonly entries: readonly LogEntry[];
  /** The last entry's number. */
  readonly end: number;
  /** With the last entry. */
  readonly changes: number;
}

/** Nearly always there is nothing behind what is applied. */
const firstEntries = 2;
const entriesAtOnce = 16;

/** The logs of the scopes, read. */
export class ScopeLogs {
  readonly #scopes: Documents<ScopeDocument>;
  readonly #log: Documents<LogDocument>;

  constructor(scopes: Documents<ScopeDocument>, log: Documents<LogDocument>) {
    this.#scopes = scopes;
    this.#log = log;
  }

  async scope(scope: CrlScope): Promise<ScopeDocument | undefined> {
    return this.#scopes.get(scopeKey(scope));
  }

  /** As `scope`; made where it is missing. */
  async requireScope(scope: CrlScope): Promise<ScopeDocument> {
    const { issuer, shard } = scope;
    const fresh: ScopeDocument = {
      _id: scopeKey(scope),
      issuer,
      shard,
      intended: 0,
      applied: 0,
      changes: 0,
      changedAtMs: 0,
    };
    const found = await this.scope(scope);
    if (found !== undefined) return found;
    return (await this.#scopes.insert(fresh)) === 'inserted' ? fresh : this.requireScope(scope);
  }

  /** What is behind the entries whose statuses are written. */
  async unapplied(scope: ScopeDocument): Promise<UnappliedEntries> {
    const entries = await this.read(scope, scope.applied);
    const last = entries.at(-1);
    return {
      scope,
      entries,
      end: last?.number ?? scope.applied,
      changes: last?.changes ?? scope.changes,
    };
  }

  /** Of the entry with that number; empty where there is none. */
  async sealOf(scope: CrlScope, number: number): Promise<string> {
    if (number === 0) return '';
    return (await this.#log.get(logKey(scope, number), ['seal']))?.seal ?? '';
  }

  /** All behind that number. */
  async read(scope: CrlScope, after: number): Promise<readonly LogEntry[]> {
    const read: LogEntry[] = [];
    for (let count = firstEntries; ; count = entriesAtOnce) {
      const first = after + read.length + 1;
      const keys = Array.from({ length: count }, (_, i) => logKey(scope, first + i));
      const found = new Map((await this.#log.getMany(keys)).map((entry) => [entry._id, entry]));
      for (const key of keys) {
        const entry = found.get(key);
        if (entry === undefined) return read;
        const { places, changes, atMs, seal, isFolded = false } = entry;
        const number = after + read.length + 1;
        const content = entry.content ?? contentOf(entry);
        const rows = decodeRows(entry.rows);
        read.push({ number, places, rows, changes, atMs, seal, content, isFolded });
      }
    }
  }
}
