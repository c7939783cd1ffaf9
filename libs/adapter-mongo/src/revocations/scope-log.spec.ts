import type { LogDocument, ScopeDocument } from './scope-documents.js';
import { ScopeLogs } from './scope-log.js';

describe('what is not applied of a log', () => {
  const forged = { code: 'FAULT_STATUS_FORGED' };
  const aScope = (applied: number): ScopeDocument => ({
    ...{ _id: 'dev/0', issuer: 'dev', shard: 0, intended: applied, applied },
    ...{ changes: applied, changedAtMs: 1, head: '', seal: '' },
  });
  const anEntry = (number: number): LogDocument => ({
    ...{ _id: `dev/0/${String(number)}`, places: [], rows: new Uint8Array() },
    ...{ changes: number, atMs: 1, seal: '', content: new Uint8Array(32), isFolded: true },
  });

  /** A store whose scope is applied up to there, with a snapshot of its entries. */
  function logsOf(applied: number, entries: readonly LogDocument[]): ScopeLogs {
    const scopes = { get: () => Promise.resolve(aScope(applied)) };
    const log = {
      getMany: (keys: readonly string[]) =>
        Promise.resolve(entries.filter(({ _id }) => keys.includes(_id))),
    };
    return new ScopeLogs(scopes as never, log as never, undefined);
  }

  test('is read anew where others have applied it meanwhile, and taken it over', async () => {
    const logs = logsOf(3, [1, 2, 3].map(anEntry));
    const { scope, end, entries } = await logs.unapplied(aScope(1));
    expect([scope.applied, end, entries]).toEqual([3, 3, []]);
  });

  test('is refused where it is emptied and nobody has applied it', async () => {
    const logs = logsOf(1, [1, 2].map(anEntry));
    await expect(logs.unapplied(aScope(1))).rejects.toMatchObject(forged);
  });
});
