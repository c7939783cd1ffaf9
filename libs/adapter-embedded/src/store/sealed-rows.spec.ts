import { randomBytes, randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { CertificateStatus } from '@certmill/domain';
import type { CrlScope } from '@certmill/ports';
import { CrlTable } from './crl-table.js';
import { unpackRevocations } from './packed-revocations.js';
import { RevocationTable } from './revocation-table.js';
import { ScopeSums } from './scope-sums.js';
import { prepareSchema } from './schema.js';

const secret = randomBytes(32);
const scope = { issuer: 'factory', shard: 3 };
const other = { issuer: 'factory', shard: 4 };
const revoked: CertificateStatus = { state: 'revoked', reason: 'superseded', atMs: 5 };
const held: CertificateStatus = { state: 'revoked', reason: 'certificateHold', atMs: 5 };
const released: CertificateStatus = { state: 'good', releasedAtMs: 6 };
const forged = expect.objectContaining({ code: 'FAULT_STATUS_FORGED' }) as Error;
const overloaded = expect.objectContaining({ code: 'FAULT_OVERLOADED' }) as Error;

function serialOf(n: number): Uint8Array {
  const serialNumber = new Uint8Array(20).fill(1);
  new DataView(serialNumber.buffer).setUint32(16, n);
  return serialNumber;
}

describe('rows of a scope that are sealed', () => {
  let db: DatabaseSync;
  let table: RevocationTable;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    prepareSchema(db, 'memory', 1);
    table = new RevocationTable(db, new ScopeSums(secret));
    change(scope, [1, 2, 3, 4], held);
    change(scope, [2], released);
    change(scope, [2], revoked);
    change(other, [9], revoked);
  });
  afterEach(() => {
    db.close();
  });

  function change(to: CrlScope, numbers: readonly number[], status: CertificateStatus): void {
    table.put(
      numbers.map((n) => [{ scope: to, serialNumber: serialOf(n), notAfterMs: n }, status]),
      7,
    );
  }

  /** All pages of so many rows; what happens between them, and who reads on then. */
  function list(
    from = scope,
    limit = 100,
    between: (page: number) => RevocationTable | undefined = () => undefined,
    read = table,
  ): number {
    let found = 0;
    let after: Uint8Array | undefined;
    const listing = randomUUID();
    for (let page = 1; ; page += 1) {
      const { revoked: rows, lookedUpTo } = unpackRevocations(
        read.page(from, { after, limit, listing }),
      );
      found += rows.length;
      if (lookedUpTo === undefined) return found;
      after = Uint8Array.from(lookedUpTo);
      read = between(page) ?? read;
    }
  }

  const hex = (n: number): string => `x'${Buffer.from(serialOf(n)).toString('hex')}'`;
  const own = 'scope_seq = (SELECT seq FROM crl_scopes WHERE shard = 3)';
  test.each([
    ['deletes one', `DELETE FROM revocations WHERE serial_number = ${hex(3)}`],
    ['deletes all', `DELETE FROM revocations WHERE ${own}`],
    ['alters a serial number', `UPDATE revocations SET serial_number = ${hex(8)} WHERE change = 3`],
    ['alters a reason', `UPDATE revocations SET reason = 8 WHERE change = 3`],
    ['alters a time', `UPDATE revocations SET revoked_at_ms = 9 WHERE change = 3`],
    ['alters an invalidity date', `UPDATE revocations SET invalidity_date_ms = 1 WHERE change = 3`],
    ['alters an end', `UPDATE revocations SET not_after_ms = 1 WHERE change = 3`],
    ['alters its place in the order', `UPDATE revocations SET change = 1 WHERE change = 3`],
    ['swaps two', `UPDATE revocations SET change = 7 - change WHERE ${own} AND change IN (3, 4)`],
    [
      'inserts one',
      `INSERT INTO revocations SELECT scope_seq, ${hex(8)}, reason, revoked_at_ms, NULL, 9, 7
       FROM revocations WHERE ${own} LIMIT 1`,
    ],
    [
      'copies one of another scope',
      `INSERT INTO revocations SELECT (SELECT seq FROM crl_scopes WHERE shard = 3), serial_number,
       reason, revoked_at_ms, NULL, not_after_ms, change FROM revocations WHERE serial_number = ${hex(9)}`,
    ],
    [
      'puts one back as it was before it was revoked for good',
      `UPDATE revocations SET reason = 6, change = 2 WHERE serial_number = ${hex(2)}`,
    ],
    ['alters the count of changes', 'UPDATE crl_scopes SET changes = changes - 1 WHERE shard = 3'],
    [
      'takes the seal of another scope',
      `UPDATE crl_scopes SET sealed = (SELECT sealed FROM crl_scopes WHERE shard = 4)
       WHERE shard = 3`,
    ],
    ['takes the seal away', `UPDATE crl_scopes SET sealed = x'' WHERE shard = 3`],
    [
      'makes the last serial number of a page longer, by the numbers of a row',
      `UPDATE revocations SET serial_number = CAST(serial_number || zeroblob(32) AS BLOB)
       WHERE ${own} AND change = 6`,
    ],
    [
      'inserts one without a serial number',
      `INSERT INTO revocations SELECT scope_seq, x'', reason, revoked_at_ms, NULL, 9, 7
       FROM revocations WHERE ${own} LIMIT 1`,
    ],
    ['takes a reason that there is none of', `UPDATE revocations SET reason = 7 WHERE change = 3`],
    [
      'writes a number that cannot be read',
      `UPDATE revocations SET invalidity_date_ms = 1 << 60 WHERE change = 3`,
    ],
  ])('find out who %s', (_, sql) => {
    expect(list()).toBe(4);
    db.exec('PRAGMA ignore_check_constraints = ON');
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    for (const limit of [1, 2, 100]) expect(() => list(scope, limit)).toThrow(forged);
    expect(list(other)).toBe(1);
  });

  // Of the row hashed before it the octets that it lacks might be left.
  test('find out who makes a serial number shorter', () => {
    const alike = { issuer: 'factory', shard: 6 };
    change(alike, [0x103, 0x203, 0x303], revoked);
    const cut = (): unknown =>
      db.exec(
        `UPDATE revocations SET serial_number = substr(serial_number, 1, 19)
         WHERE serial_number = ${hex(0x203)}`,
      );
    expect(cut).toThrow(/CHECK/);
    db.exec('PRAGMA ignore_check_constraints = ON');
    cut();
    for (const limit of [1, 2, 100]) expect(() => list(alike, limit)).toThrow(forged);
  });

  test.each([
    ['a reason', 'reason = CAST(reason AS TEXT)'],
    ['a reason as octets', 'reason = CAST(CAST(reason AS TEXT) AS BLOB)'],
    ['a time', 'revoked_at_ms = CAST(revoked_at_ms AS TEXT)'],
    ['a time as a fraction', 'revoked_at_ms = revoked_at_ms + 0.5'],
    ['an invalidity date', `invalidity_date_ms = 'none'`],
    ['an end', 'not_after_ms = CAST(not_after_ms AS TEXT)'],
    ['a change', 'change = CAST(change AS TEXT)'],
    ['a change that is none', 'change = NULL'],
    ['a serial number', 'serial_number = CAST(serial_number AS TEXT)'],
    ['a serial number that is none', 'serial_number = NULL'],
  ])('find out who alters the schema, and then the type of %s', (_, assignment) => {
    db.exec(`CREATE TABLE loose AS SELECT * FROM revocations; DROP TABLE revocations;
      CREATE TABLE revocations (scope_seq, serial_number, reason, revoked_at_ms, invalidity_date_ms,
        not_after_ms, change);
      INSERT INTO revocations SELECT * FROM loose`);
    expect(list()).toBe(4);
    const sql = `UPDATE revocations SET ${assignment} WHERE serial_number = ${hex(2)}`;
    expect(db.prepare(sql).run().changes).toBe(1);
    for (const limit of [1, 2, 100]) expect(() => list(scope, limit)).toThrow(forged);
  });

  const emptied = `UPDATE crl_scopes SET changes = 0, sealed = x'' WHERE shard = 3;
    DELETE FROM revocations`;
  const replayed = `UPDATE crl_scopes SET (changes, sealed) = (SELECT changes, sealed FROM earlier);
    DELETE FROM revocations WHERE change > 1`;
  describe.each([
    ['emptied', emptied],
    ['taken away', 'DELETE FROM crl_scopes'],
    ['taken away with its rows', 'DELETE FROM crl_scopes; DELETE FROM revocations'],
    ['put back to what it was', replayed],
  ])('of a scope that was %s', (_, sql) => {
    const fresh = { issuer: 'factory', shard: 5 };
    beforeEach(() => {
      db.exec(`DELETE FROM crl_scopes; DELETE FROM revocations`);
      table = new RevocationTable(db, new ScopeSums(secret));
      change(scope, [1], revoked);
      db.exec('CREATE TABLE earlier AS SELECT * FROM crl_scopes');
      change(scope, [2, 3], revoked);
    });
    const expectRefused = (by = table): void => {
      for (const limit of [1, 2, 100]) {
        expect(() => list(scope, limit, undefined, by)).toThrow(forged);
      }
      expect(() => by.countChanges(scope)).toThrow(forged);
      expect(() => change(scope, [7], revoked)).toThrow(forged);
      expect(list(fresh, 100, undefined, by)).toBe(0);
    };

    test('are refused by a process that has seen more', () => {
      expect(table.countChanges(scope)).toBe(3);
      db.exec(sql);
      expectRefused();
    });

    test('are refused by one that has just started, where a CRL in force has more', () => {
      const rest = { thisUpdateMs: 1, nextUpdateMs: 2, entries: 3, hasDeltas: false };
      const file = { fileId: 'f', bytes: 1, sha256: new Uint8Array(32) };
      const crl = { scope, kind: 'full' as const, crlNumber: 7n, changes: 3, ...rest, ...file };
      new CrlTable(db, new ScopeSums(secret)).put(crl);
      table.note(scope, crl.kind, crl.changes);
      table = new RevocationTable(db, new ScopeSums(secret));
      expect(list()).toBe(3);
      db.exec(sql);
      table = new RevocationTable(db, new ScopeSums(secret));
      expectRefused();
      if (sql === replayed) return;
      // Nor does it help to have the CRL count as nothing.
      db.exec(`UPDATE crls SET seal = x''`);
      table = new RevocationTable(db, new ScopeSums(secret));
      expectRefused();
    });
  });

  test('a scope of which there is a CRL only is sealed too', () => {
    const fresh = { issuer: 'factory', shard: 5 };
    table.note(fresh, 'presigned', 0);
    expect(list(fresh)).toBe(0);
    db.exec(`UPDATE crl_scopes SET sealed = x'' WHERE shard = 5`);
    expect(() => list(fresh)).toThrow(forged);
  });

  test('of a CRL that says it has more than it has, the next one is made from the beginning', () => {
    const crls = new CrlTable(db, new ScopeSums(secret));
    const rest = { thisUpdateMs: 1, nextUpdateMs: 2, entries: 2, hasDeltas: true };
    const file = { fileId: 'f', bytes: 1, sha256: new Uint8Array(32) };
    crls.put({ scope, kind: 'full', crlNumber: 7n, changes: 2, ...rest, ...file });
    expect(crls.find(scope, 'full')?.changes).toBe(2);
    db.exec('UPDATE crls SET changes = 6');
    expect(crls.find(scope, 'full')?.changes).toBe(0);
  });

  test('are refused by who has another secret, and to be changed where the seal is gone', () => {
    const foreign = new RevocationTable(db, new ScopeSums(randomBytes(32)));
    expect(() => list(scope, 100, undefined, foreign)).toThrow(forged);
    expect(() => foreign.countChanges(scope)).toThrow(forged);
    db.exec(`UPDATE crl_scopes SET sealed = x''`);
    expect(() => change(scope, [5], revoked)).toThrow(forged);
  });

  test('agree whatever changes between the pages of a listing, before and behind it', () => {
    change(
      scope,
      Array.from({ length: 40 }, (_, i) => 10 * i + 10),
      held,
    );
    for (const limit of [1, 3, 7]) {
      let step = limit;
      list(scope, limit, (page) => {
        step = (step * 37 + 11) % 400;
        change(scope, [step], page % 3 === 0 ? released : held);
        change(scope, [step, 10 * (page % 40), step], page % 2 === 0 ? revoked : held);
      });
    }
    expect(list()).toBeGreaterThan(40);
  });

  test('agree where a change was undone on the way, and another took its number', () => {
    for (const [undone, next] of [
      [1, 4],
      [4, 1],
      [1, 2],
      [1, undefined],
    ] as const) {
      list(scope, 3, () => {
        db.exec('SAVEPOINT one');
        change(scope, [undone], released);
        db.exec('ROLLBACK TO one; RELEASE one');
        if (next !== undefined) change(scope, [next], held);
      });
    }
    expect(list()).toBe(4);
  });

  test('two listings at once, page by page, are both checked', () => {
    const begin = (listing: string) => {
      const page = { limit: 2, listing };
      const { lookedUpTo } = unpackRevocations(table.page(scope, page));
      return { ...page, after: Uint8Array.from(lookedUpTo ?? []) };
    };
    const begun = [begin('one'), begin('other')];
    db.exec(`DELETE FROM revocations WHERE serial_number = ${hex(3)}`);
    for (const next of begun) expect(() => table.page(scope, next)).toThrow(forged);
  });

  test('a listing does not go on where the store was opened anew meanwhile, or its scope went away', () => {
    db.exec(`DELETE FROM revocations WHERE serial_number = ${hex(3)}`);
    const openedAnew = () => new RevocationTable(db, new ScopeSums(secret));
    expect(() => list(scope, 2, openedAnew)).toThrow(overloaded);
    table = openedAnew();
    const takeAway = () => {
      db.exec('DELETE FROM crl_scopes');
      return undefined;
    };
    expect(() => list(scope, 1, takeAway)).toThrow(forged);
  });

  test('a listing goes on from the row where it was only, and one of many that began later is lost', () => {
    const page = { limit: 2, listing: 'one' };
    table.page(scope, page);
    const after = serialOf(1);
    expect(() => table.page(scope, { ...page, after })).toThrow(overloaded);
    for (let n = 0; n < 64; n += 1) table.page(scope, { limit: 2, listing: `later ${String(n)}` });
    const next = { limit: 2, after: serialOf(2) };
    expect(() => table.page(scope, { ...next, listing: 'one' })).toThrow(overloaded);
    expect(() => table.page(scope, { ...next, listing: 'later 0' })).not.toThrow();
  });

  test('that a CRL leaves out are checked with the others', () => {
    const without = { endedBeforeMs: Number.MAX_SAFE_INTEGER, changes: 99 };
    const page = { limit: 99, listing: 'one', without };
    const { revoked } = unpackRevocations(table.page(scope, page));
    expect(revoked).toEqual([]);
    db.exec(`DELETE FROM revocations WHERE serial_number = ${hex(3)}`);
    expect(() => table.page(scope, page)).toThrow(forged);
  });
});
