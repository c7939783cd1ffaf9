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
      const isWhole = (found.rows as unknown) instanceof Uint8Array;
      if (!isWhole || digestOfBlock(found.rows) !== snapshot.digests[block]) {
        throw forgedStatus(`block ${found._id} is not the one of its snapshot`);
      }
      for (const row of decodeRows(found.rows)) {
        if (after === undefined || Buffer.compare(row.serialNumber, after) > 0) yield row;
      }
    }
  }
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
