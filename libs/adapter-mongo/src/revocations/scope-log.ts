import { forgedStatus } from '@certmill/pipeline';
import type { CrlScope } from '@certmill/ports';
import type { Documents } from '../connection/documents.js';
import { decodeRows, type ScopeRow } from './row-codec.js';
import {
  isLogDocument,
  logKey,
  scopeKey,
  type LogDocument,
  type ScopeDocument,
} from './scope-documents.js';
import { contentOf, type ScopeSeals, type SealedEntry } from './scope-seals.js';

/** An entry of a scope's log as it is stored. */
interface StoredEntry extends SealedEntry {
  readonly places: readonly string[];
  readonly rows: Uint8Array;
  readonly changes: number;
  readonly atMs: number;
  /** A snapshot has taken its rows over. */
  readonly isFolded: boolean;
}

/** An entry that was checked. */
export interface LogEntry extends Omit<StoredEntry, 'content' | 'rows' | 'isFolded'> {
  readonly rows: readonly ScopeRow[];
}

/** Up to where something is known of a scope's log. */
export interface LogPlace {
  /** The last entry's number, 0 for none, and its seal. */
  readonly end: number;
  readonly head: string;
  /** With the last entry. */
  readonly changes: number;
}

/** The entries behind a place, up to another. */
export interface LogEntries extends LogPlace {
  readonly entries: readonly LogEntry[];
}

/** A scope and the entries whose statuses are not written. */
export interface UnappliedEntries extends LogEntries {
  readonly scope: ScopeDocument;
}

/** Nearly always there is nothing behind what is applied. */
const firstEntries = 2;
const entriesAtOnce = 16;

/** The logs of the scopes, read, and checked before anything is made of what they say. */
export class ScopeLogs {
  readonly #scopes: Documents<ScopeDocument>;
  readonly #log: Documents<LogDocument>;
  readonly #seals: ScopeSeals | undefined;

  /** @param seals Absent: what is read is not checked. */
  constructor(
    scopes: Documents<ScopeDocument>,
    log: Documents<LogDocument>,
    seals: ScopeSeals | undefined,
  ) {
    this.#scopes = scopes;
    this.#log = log;
    this.#seals = seals;
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
      head: '',
      seal: '',
    };
    const found = await this.scope(scope);
    if (found !== undefined) return found;
    return (await this.#scopes.insert(fresh)) === 'inserted' ? fresh : this.requireScope(scope);
  }

  /** What is behind the entries whose statuses are written. Faults: FAULT_STATUS_FORGED. */
  async unapplied(stored: ScopeDocument): Promise<UnappliedEntries> {
    for (let scope = stored; ;) {
      this.#seals?.assertApplied(scope);
      const { applied: end, head, changes } = scope;
      const behind = await this.behind(scope, { end, head, changes });
      if (behind !== undefined) return { ...behind, scope };
      // Whoever took them over had applied them, or had seen that somebody did.
      const now = await this.scope(scope);
      if (now === undefined || now.applied <= end) {
        throw forgedStatus(`entries of ${scopeKey(scope)} are emptied that nobody applied`);
      }
      scope = now;
    }
  }

  /**
   * All behind a place; undefined where a snapshot has taken some of them over. Nothing is decoded that is
   * not sealed. Faults: FAULT_STATUS_FORGED.
   */
  async behind(scope: CrlScope, place: LogPlace): Promise<LogEntries | undefined> {
    const stored = await this.read(scope, place.end);
    if (stored.some(({ isFolded }) => isFolded)) return undefined;
    this.#seals?.follow(scope, place.head, stored);
    const entries = stored.map(({ number, places, rows, changes, atMs, seal }) => {
      return { number, places, rows: decodeRows(rows), changes, atMs, seal };
    });
    if (this.#seals !== undefined) assertCounts(scope, place.changes, entries);
    const last = entries.at(-1);
    if (last === undefined) return { ...place, entries };
    return { entries, end: last.number, head: last.seal, changes: last.changes };
  }

  /** Of the entry with that number; empty where there is none. */
  async sealOf(scope: CrlScope, number: number): Promise<string> {
    if (number === 0) return '';
    return (await this.#log.get(logKey(scope, number), ['seal']))?.seal ?? '';
  }

  /** All behind that number, emptied ones too, for whoever checks them. Faults: FAULT_STATUS_FORGED. */
  async read(scope: CrlScope, after: number): Promise<readonly StoredEntry[]> {
    const read: StoredEntry[] = [];
    for (let count = firstEntries; ; count = entriesAtOnce) {
      const first = after + read.length + 1;
      const keys = Array.from({ length: count }, (_, i) => logKey(scope, first + i));
      const found = new Map((await this.#log.getMany(keys)).map((entry) => [entry._id, entry]));
      for (const key of keys) {
        const entry = found.get(key);
        if (entry === undefined) return read;
        read.push(storedEntry(after + read.length + 1, entry));
      }
    }
  }
}

function storedEntry(number: number, entry: LogDocument): StoredEntry {
  if (!isLogDocument(entry)) throw forgedStatus(`entry ${entry._id} has another form`);
  const { places, rows, changes, atMs, seal, isFolded = false } = entry;
  // Of what an emptied one said only the hash is left; what others say is hashed, whatever lies beside it.
  const content = (isFolded ? entry.content : undefined) ?? contentOf(entry);
  return { number, places, rows, changes, atMs, seal, content, isFolded };
}

/** Its writer counts on from what is applied: a delta goes by the count. */
function assertCounts(scope: CrlScope, before: number, entries: readonly LogEntry[]): void {
  let counted = before;
  for (const { rows, changes, number } of entries) {
    counted += rows.length;
    if (changes !== counted) {
      throw forgedStatus(`entry ${String(number)} of ${scopeKey(scope)} counts other changes`);
    }
  }
}
