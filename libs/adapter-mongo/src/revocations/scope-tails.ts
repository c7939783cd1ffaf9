import type { ScopeRow } from './row-codec.js';
import { scopeKey, type ScopeDocument } from './scope-documents.js';
import type { LogEntry, ScopeLogs } from './scope-log.js';

/** What is behind the snapshot of a scope, folded. */
export interface ScopeTail {
  readonly scope: ScopeDocument;
  /** The latest of each serial number, ascending. */
  readonly rows: readonly ScopeRow[];
  /** The last entry's number. */
  readonly end: number;
  /** With the last entry. */
  readonly changes: number;
}

interface KeptTail extends Omit<ScopeTail, 'scope'> {
  readonly snapshot: string | undefined;
}

/** Of all scopes together: more than the longest tail of 1,000,000 rows, some 100 MB. */
const rowsKept = 300_000;

/**
 * Tails that were read before: a CRL is read page by page, and each page needs the whole tail. What has come
 * since is read and merged, so a page is as new as its call.
 */
export class ScopeTails {
  readonly #logs: ScopeLogs;
  readonly #kept = new Map<string, KeptTail>();
  #rows = 0;

  constructor(logs: ScopeLogs) {
    this.#logs = logs;
  }

  /** Undefined where a later snapshot than the scope's has taken some of it over. */
  async read(scope: ScopeDocument): Promise<ScopeTail | undefined> {
    const snapshot = scope.snapshot?.id;
    const kept = this.#kept.get(scopeKey(scope));
    const from =
      kept?.snapshot === snapshot && kept !== undefined
        ? kept
        : { snapshot, rows: [], end: scope.snapshot?.upTo ?? 0, changes: scope.changes };
    const entries = await this.#logs.read(scope, from.end);
    if (entries.some(({ isFolded }) => isFolded)) return undefined;
    const last = entries.at(-1);
    const tail =
      last === undefined
        ? from
        : {
            snapshot,
            rows: merged(from.rows, latestOf(entries)),
            end: last.number,
            changes: last.changes,
          };
    this.#keep(scopeKey(scope), tail);
    return { scope, rows: tail.rows, end: tail.end, changes: tail.changes };
  }

  #keep(key: string, tail: KeptTail): void {
    this.#forget(key);
    this.#kept.set(key, tail);
    this.#rows += tail.rows.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#rows <= rowsKept || oldest === key) return;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#rows -= this.#kept.get(key)?.rows.length ?? 0;
    this.#kept.delete(key);
  }
}

function latestOf(entries: readonly LogEntry[]): readonly ScopeRow[] {
  const latest = new Map<string, ScopeRow>();
  for (const { rows } of entries) {
    for (const row of rows) latest.set(Buffer.from(row.serialNumber).toString('hex'), row);
  }
  return [...latest.values()].sort(compareRows);
}

/** Of rows with the same serial number the newer one. */
function merged(rows: readonly ScopeRow[], newer: readonly ScopeRow[]): readonly ScopeRow[] {
  if (rows.length === 0) return newer;
  const all: ScopeRow[] = [];
  let at = 0;
  for (const row of rows) {
    let order = 1;
    for (let next = newer[at]; next !== undefined; next = newer[at]) {
      order = compareRows(row, next);
      if (order < 0) break;
      all.push(next);
      at += 1;
      if (order === 0) break;
    }
    if (order !== 0) all.push(row);
  }
  return [...all, ...newer.slice(at)];
}

export function compareRows(one: ScopeRow, other: ScopeRow): number {
  return Buffer.compare(one.serialNumber, other.serialNumber);
}
