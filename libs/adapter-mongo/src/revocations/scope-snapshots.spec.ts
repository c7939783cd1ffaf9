import { FoldedRows } from './folded-rows.js';
import { takeSnapshot, type SnapshotParts } from './scope-snapshots.js';
import type { ScopeTail } from './scope-tails.js';

describe('a snapshot of a scope', () => {
  /** Tells what it was asked to write, and that it was. */
  function recorded(): { readonly parts: SnapshotParts; readonly written: string[] } {
    const written: string[] = [];
    const note = (name: string) => () => {
      written.push(name);
      return Promise.resolve(true);
    };
    const documents = (name: string) => ({
      update: note(`${name} changed`),
      insert: note(`${name} added`),
      remove: note(`${name} removed`),
      get: () => Promise.resolve({ places: ['acme/b/0'], rows: Buffer.of(), changes: 1, atMs: 1 }),
    });
    const [scopes, log, blocks] = ['scope', 'entry', 'block'].map(documents);
    const folded = new FoldedRows(blocks as never);
    return { parts: { scopes, log, blocks, folded } as never, written };
  }

  function aTail(end: number, applied: number): ScopeTail {
    const scope = { _id: 'dev/0', issuer: 'dev', shard: 0, intended: end, applied };
    const whole = { ...scope, changes: applied, changedAtMs: 1, head: '', seal: '' };
    return { scope: whole, rows: [], end, head: '', changes: end };
  }

  test('takes entries over that are applied', async () => {
    const { parts, written } = recorded();
    expect(await takeSnapshot(parts, aTail(2, 2))).toBe(true);
    expect(written).toEqual(['scope changed', 'entry changed', 'entry changed']);
  });

  test('takes nothing over, and empties nothing, while an entry has come that nobody applied', async () => {
    const { parts, written } = recorded();
    expect(await takeSnapshot(parts, aTail(3, 2))).toBe(false);
    expect(written).toEqual([]);
  });
});
