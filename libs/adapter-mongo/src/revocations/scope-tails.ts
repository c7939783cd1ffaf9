import { forgedStatus } from '@certmill/pipeline';
import type { ScopeRow } from './row-codec.js';
import { scopeKey, type ScopeDocument } from './scope-documents.js';
import type { LogEntry, LogPlace, ScopeLogs } from './scope-log.js';
import type { ScopeSeals } from './scope-seals.js';

/** What is behind the snapshot of a scope, folded. */
export interface ScopeTail extends LogPlace {
  readonly scope: ScopeDocument;
  /** The latest of each serial number, ascending. */
  readonly rows: readonly ScopeRow[];
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
  readonly #seals: ScopeSeals | undefined;
  readonly #kept = new Map<string, KeptTail>();
  #rows = 0;

  /** @param seals Absent: what is read is not checked. */
  constructor(logs: ScopeLogs, seals?: ScopeSeals) {
    this.#logs = logs;
    this.#seals = seals;
  }

  /**
   * Undefined where a later snapshot than the scope's has taken some of it over. Entries are checked once,
   * when they are read. Faults: FAULT_STATUS_FORGED.
   */
  async read(scope: ScopeDocument): Promise<ScopeTail | undefined> {
    this.#seals?.assertSnapshot(scope);
    const snapshot = scope.snapshot?.id;
    const kept = this.#kept.get(scopeKey(scope));
    const from = kept?.snapshot === snapshot && kept !== undefined ? kept : tailBehind(scope);
    const behind = await this.#logs.behind(scope, from);
    if (behind === undefined) return undefined;
    const { entries, ...place } = behind;
    if (place.end < scope.applied) throw forgedStatus(`the log of ${scopeKey(scope)} is cut off`);
    const tail =
      entries.length === 0
        ? from
        : { ...place, snapshot, rows: merged(from.rows, latestOf(entries)) };
    this.#keep(scopeKey(scope), tail);
    return { ...tail, scope };
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

/** Nothing but the snapshot: what the scope says of itself is not sealed. */
function tailBehind({ snapshot }: ScopeDocument): KeptTail {
  const { upTo: end = 0, head = '', changes = 0 } = snapshot ?? {};
  return { snapshot: snapshot?.id, rows: [], end, head, changes };
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
