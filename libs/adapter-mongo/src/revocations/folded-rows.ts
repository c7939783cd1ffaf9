import type { Documents } from '../connection/documents.js';
import { BoundedCache } from '../connection/bounded-cache.js';
import { decodeRows, type ScopeRow } from './row-codec.js';
import { blockKey, scopeKey, type BlockDocument, type ScopeDocument } from './scope-documents.js';
import type { ScopeTail } from './scope-log.js';

/** Tails that are sorted already: a CRL is read page by page. */
const tailsKept = 4;

/** The rows of scopes, latest ones only, in order of their serial numbers: a snapshot and what is behind it. */
export class FoldedRows {
  readonly #blocks: Documents<BlockDocument>;
  readonly #tails = new BoundedCache<readonly ScopeRow[]>(tailsKept);

  constructor(blocks: Documents<BlockDocument>) {
    this.#blocks = blocks;
  }

  /**
   * From `after` (exclusive) on. Ends early with `undefined` where a block has gone: a later snapshot
   * has taken its place, and the reader asks again with the last serial number that it has.
   */
  async *read(
    tail: ScopeTail,
    after: Uint8Array | undefined,
  ): AsyncGenerator<ScopeRow | undefined> {
    const behind = this.#sortedTail(tail);
    let at = after === undefined ? 0 : firstBehind(behind, after);
    for await (const row of this.#snapshotRows(tail.scope, after)) {
      if (row === undefined) {
        yield undefined;
        return;
      }
      for (let next = behind[at]; next !== undefined; next = behind[at]) {
        const order = compare(next, row);
        if (order > 0) break;
        yield next;
        at += 1;
        if (order === 0) break;
      }
      const last = behind[at - 1];
      if (last === undefined || compare(last, row) !== 0) yield row;
    }
    yield* behind.slice(at);
  }

  async *#snapshotRows(
    scope: ScopeDocument,
    after: Uint8Array | undefined,
  ): AsyncGenerator<ScopeRow | undefined> {
    const { snapshot } = scope;
    if (snapshot === undefined) return;
    const afterHex = after === undefined ? '' : Buffer.from(after).toString('hex');
    const begin = Math.max(
      0,
      snapshot.firsts.findLastIndex((first) => first <= afterHex),
    );
    for (let block = begin; block < snapshot.firsts.length; block += 1) {
      const found = await this.#blocks.get(blockKey(scope, snapshot.id, block));
      if (found === undefined) {
        yield undefined;
        return;
      }
      for (const row of decodeRows(found.rows)) {
        if (after === undefined || Buffer.compare(row.serialNumber, after) > 0) yield row;
      }
    }
  }

  #sortedTail({ scope, entries, end }: ScopeTail): readonly ScopeRow[] {
    const key = `${scopeKey(scope)} ${scope.snapshot?.id ?? ''} ${String(end)}`;
    const known = this.#tails.get(key);
    if (known !== undefined) return known;
    const latest = new Map<string, ScopeRow>();
    for (const { rows } of entries) {
      for (const row of rows) latest.set(Buffer.from(row.serialNumber).toString('hex'), row);
    }
    const sorted = [...latest.values()].sort(compare);
    this.#tails.set(key, sorted);
    return sorted;
  }
}

function compare(one: ScopeRow, other: ScopeRow): number {
  return Buffer.compare(one.serialNumber, other.serialNumber);
}

function firstBehind(rows: readonly ScopeRow[], after: Uint8Array): number {
  const found = rows.findIndex(({ serialNumber }) => Buffer.compare(serialNumber, after) > 0);
  return found < 0 ? rows.length : found;
}
