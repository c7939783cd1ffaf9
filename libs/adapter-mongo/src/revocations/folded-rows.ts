import { forgedStatus } from '@certmill/pipeline';
import type { Documents } from '../connection/documents.js';
import { decodeRows, type ScopeRow } from './row-codec.js';
import { blockKey, type BlockDocument, type ScopeDocument } from './scope-documents.js';
import { digestOfBlock } from './scope-seals.js';
import { compareRows, type ScopeTail } from './scope-tails.js';

/** The rows of scopes, latest ones only, in order of their serial numbers: a snapshot and what is behind it. */
export class FoldedRows {
  readonly #blocks: Documents<BlockDocument>;

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
    const behind = tail.rows;
    let at = after === undefined ? 0 : firstBehind(behind, after);
    for await (const row of this.#snapshotRows(tail.scope, after)) {
      if (row === undefined) {
        yield undefined;
        return;
      }
      for (let next = behind[at]; next !== undefined; next = behind[at]) {
        const order = compareRows(next, row);
        if (order > 0) break;
        yield next;
        at += 1;
        if (order === 0) break;
      }
      const last = behind[at - 1];
      if (last === undefined || compareRows(last, row) !== 0) yield row;
    }
    yield* behind.slice(at);
  }

  /**
   * The latest rows of those serial numbers that have any, by their hex. Undefined where a block has gone:
   * the reader asks again.
   */
  async find(
    tail: ScopeTail,
    serialNumbers: readonly Uint8Array[],
  ): Promise<ReadonlyMap<string, ScopeRow> | undefined> {
    const { scope, rows: behind } = tail;
    const wanted = new Map(serialNumbers.map((each) => [hexOf(each), each]));
    const found = new Map<string, ScopeRow>();
    const blocks = new Set([...wanted.keys()].map((hex) => blockOf(scope, hex)));
    for (const block of blocks) {
      if (block < 0) continue;
      const rows = await this.#rowsOf(scope, block);
      if (rows === undefined) return undefined;
      for (const row of rows) {
        const hex = hexOf(row.serialNumber);
        if (wanted.has(hex)) found.set(hex, row);
      }
    }
    for (const [hex, serialNumber] of wanted) {
      const row = behind[firstBehind(behind, serialNumber) - 1];
      if (row !== undefined && Buffer.compare(row.serialNumber, serialNumber) === 0) {
        found.set(hex, row);
      }
    }
    return found;
  }

  async *#snapshotRows(
    scope: ScopeDocument,
    after: Uint8Array | undefined,
  ): AsyncGenerator<ScopeRow | undefined> {
    const blocks = scope.snapshot?.firsts.length ?? 0;
    const begin = Math.max(0, blockOf(scope, after === undefined ? '' : hexOf(after)));
    for (let block = begin; block < blocks; block += 1) {
      const rows = await this.#rowsOf(scope, block);
      if (rows === undefined) {
        yield undefined;
        return;
      }
      for (const row of rows) {
        if (after === undefined || Buffer.compare(row.serialNumber, after) > 0) yield row;
      }
    }
  }

  /** Of a block of the snapshot, checked; undefined where it has gone. */
  async #rowsOf(scope: ScopeDocument, block: number): Promise<readonly ScopeRow[] | undefined> {
    const { id = '', digests = [] } = scope.snapshot ?? {};
    const found = await this.#blocks.get(blockKey(scope, id, block));
    if (found === undefined) return undefined;
    const isWhole = (found.rows as unknown) instanceof Uint8Array;
    if (!isWhole || digestOfBlock(found.rows) !== digests[block]) {
      throw forgedStatus(`block ${found._id} is not the one of its snapshot`);
    }
    return decodeRows(found.rows);
  }
}

/** The block of a scope's snapshot that has that serial number, if any has; -1 for none. */
function blockOf({ snapshot }: ScopeDocument, serialHex: string): number {
  return snapshot?.firsts.findLastIndex((first) => first <= serialHex) ?? -1;
}

function hexOf(serialNumber: Uint8Array): string {
  return Buffer.from(serialNumber).toString('hex');
}

/** Where the rows after that serial number begin. */
function firstBehind(rows: readonly ScopeRow[], after: Uint8Array): number {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (Buffer.compare(rows[middle]?.serialNumber ?? after, after) > 0) to = middle;
    else from = middle + 1;
  }
  return from;
}
