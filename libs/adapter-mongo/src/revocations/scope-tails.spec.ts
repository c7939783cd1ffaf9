import type { ScopeRow } from './row-codec.js';
import type { ScopeDocument, SnapshotDocument } from './scope-documents.js';
import type { LogEntry, ScopeLogs } from './scope-log.js';
import { ScopeTails } from './scope-tails.js';

function aRow(serial: number, change: number): ScopeRow {
  const serialNumber = new Uint8Array(20);
  new DataView(serialNumber.buffer).setUint32(16, serial);
  return { serialNumber, change, reason: 'superseded', revokedAtMs: 1, notAfterMs: 2 };
}

const serialOf = ({ serialNumber }: ScopeRow): number => Buffer.from(serialNumber).readUInt32BE(16);

/** A log in memory that counts the entries that were read. */
class MemoryLog {
  readonly entries: LogEntry[] = [];
  /** Up to which number they are in a snapshot. */
  folded = 0;
  read = 0;
  changes = 0;

  append(serials: readonly number[]): void {
    const rows = serials.map((serial) => aRow(serial, (this.changes += 1)));
    const number = this.entries.length + 1;
    const { changes } = this;
    this.entries.push({ number, rows, changes, places: [], atMs: 0, seal: '' });
  }

  get logs(): ScopeLogs {
    const behind: ScopeLogs['behind'] = (_, place) => {
      if (place.end < this.folded) return Promise.resolve(undefined);
      const entries = this.entries.filter(({ number }) => number > place.end);
      this.read += entries.length;
      const { number: end, changes } = entries.at(-1) ?? { number: place.end, ...place };
      return Promise.resolve({ entries, end, changes, head: '' });
    };
    return { behind } as unknown as ScopeLogs;
  }

  scope(snapshot?: Pick<SnapshotDocument, 'id' | 'upTo'>, shard = 0): ScopeDocument {
    const applied = { applied: 0, changes: this.changes, changedAtMs: 0, head: '', seal: '' };
    const rest = { intended: 0, ...applied };
    const scope = { _id: `dev/${String(shard)}`, issuer: 'dev', shard, ...rest };
    return snapshot === undefined
      ? scope
      : {
          ...scope,
          snapshot: {
            rows: 0,
            changes: 0,
            firsts: [],
            digests: [],
            head: '',
            seal: '',
            ...snapshot,
          },
        };
  }

  /** Row and change of each, folded by another way. */
  rowsBehind(after = 0): [number, number][] {
    const latest = new Map<number, number>();
    for (const { rows, number } of this.entries) {
      if (number > after) for (const row of rows) latest.set(serialOf(row), row.change);
    }
    return [...latest].sort(([one], [other]) => one - other);
  }
}

const told = (rows: readonly ScopeRow[] = []): [number, number][] =>
  rows.map((row) => [serialOf(row), row.change]);

describe('the tail of a scope', () => {
  let log: MemoryLog;
  let tails: ScopeTails;
  beforeEach(() => {
    log = new MemoryLog();
    tails = new ScopeTails(log.logs);
  });

  test('is read once, however many pages are read of it, and then what has come since', async () => {
    for (let entry = 0; entry < 50; entry += 1) log.append([entry, 100 - entry, 7]);
    for (let page = 0; page < 100; page += 1) await tails.read(log.scope());
    expect(log.read).toBe(50);
    log.append([1_000]);
    const tail = await tails.read(log.scope());
    expect(log.read).toBe(51);
    expect(tail).toMatchObject({ end: 51, changes: 151 });
    expect(told(tail?.rows)).toEqual(log.rowsBehind());
  });

  test('has the latest of each row, in order, whatever comes between pages', async () => {
    for (let round = 0; round < 200; round += 1) {
      // A fixed walk over 50 numbers: below, between, above and again.
      log.append([(round * 37) % 50, (round * 11) % 50].slice(0, 1 + (round % 2)));
      expect(told((await tails.read(log.scope()))?.rows)).toEqual(log.rowsBehind());
    }
  });

  test('begins anew behind a later snapshot, and is none behind one that was replaced', async () => {
    for (let entry = 1; entry <= 5; entry += 1) log.append([entry]);
    await tails.read(log.scope());
    log.folded = 3;
    const tail = await tails.read(log.scope({ id: 'new', upTo: 3 }));
    expect(told(tail?.rows)).toEqual(log.rowsBehind(3));
    expect(await tails.read(log.scope())).toBeUndefined();
  });

  test('is forgotten where others have taken its room', async () => {
    log.append(Array.from({ length: 160_000 }, (_, serial) => serial));
    for (const shard of [0, 0, 1, 1, 0]) await tails.read(log.scope(undefined, shard));
    expect(log.read).toBe(3);
  });
});
