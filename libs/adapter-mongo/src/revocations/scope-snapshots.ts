import { randomUUID } from 'node:crypto';
import type { Documents } from '../connection/documents.js';
import type { FoldedRows } from './folded-rows.js';
import { encodeRows, type ScopeRow } from './row-codec.js';
import {
  blockKey,
  logKey,
  type BlockDocument,
  type LogDocument,
  type ScopeDocument,
  type SnapshotDocument,
} from './scope-documents.js';
import { contentOf, digestOfBlock, type ScopeSeals } from './scope-seals.js';
import type { ScopeTail } from './scope-tails.js';

/** Some 240 KB. */
export const rowsPerBlock = 4_096;
const noRows = new Uint8Array();

export interface SnapshotParts {
  readonly scopes: Documents<ScopeDocument>;
  readonly log: Documents<LogDocument>;
  readonly blocks: Documents<BlockDocument>;
  readonly folded: FoldedRows;
  readonly seals?: ScopeSeals | undefined;
}

/**
 * Puts the rows of a tail into a new snapshot in the place of the one before. False where another process was first, or where the tail has an entry that nobody has applied
 * yet: emptied, its changes would reach no status. The next change takes the snapshot then.
 */
export async function takeSnapshot(parts: SnapshotParts, tail: ScopeTail): Promise<boolean> {
  const { scopes, log, blocks, seals } = parts;
  const { scope, end } = tail;
  if (end > scope.applied) return false;
  const made = await writeBlocks(parts, tail);
  if (made === undefined) return false;
  const before = scope.snapshot;
  const sealed = { ...made, upTo: end, changes: tail.changes, head: tail.head };
  const snapshot = { ...sealed, seal: seals?.sealSnapshot(scope, sealed) ?? '' };
  const isTaken = await scopes.update(
    { _id: scope._id, 'snapshot.id': before?.id ?? null },
    { $set: { snapshot } },
  );
  // Nobody sees the blocks of the one that lost.
  const gone = isTaken ? before : made;
  if (isTaken) {
    for (let number = (before?.upTo ?? 0) + 1; number <= end; number += 1) {
      const _id = logKey(scope, number);
      const entry = await log.get(_id);
      if (entry === undefined || entry.isFolded === true) continue;
      const content = contentOf(entry);
      await log.update({ _id }, { $set: { places: [], rows: noRows, content, isFolded: true } });
    }
  }
  for (const [block] of gone?.firsts.entries() ?? []) {
    await blocks.remove({ _id: blockKey(scope, gone?.id ?? '', block) });
  }
  return isTaken;
}

async function writeBlocks(
  { blocks, folded }: SnapshotParts,
  tail: ScopeTail,
): Promise<Pick<SnapshotDocument, 'id' | 'rows' | 'firsts' | 'digests'> | undefined> {
  const id = randomUUID();
  const firsts: string[] = [];
  const digests: string[] = [];
  let waiting: ScopeRow[] = [];
  let rows = 0;
  const flush = async (): Promise<void> => {
    const [first] = waiting;
    if (first === undefined) return;
    const _id = blockKey(tail.scope, id, firsts.length);
    const encoded = encodeRows(waiting);
    await blocks.insert({ _id, rows: encoded });
    digests.push(digestOfBlock(encoded));
    firsts.push(Buffer.from(first.serialNumber).toString('hex'));
    rows += waiting.length;
    waiting = [];
  };
  for await (const row of folded.read(tail, undefined)) {
    if (row === undefined) return undefined;
    waiting.push(row);
    if (waiting.length === rowsPerBlock) await flush();
  }
  await flush();
  return { id, rows, firsts, digests };
}
