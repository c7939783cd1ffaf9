import { DatabaseSync } from 'node:sqlite';
import type { CertificateStatus } from '@certmill/domain';
import { unpackRevocations } from './packed-revocations.js';
import { RevocationTable } from './revocation-table.js';
import { prepareSchema } from './schema.js';

const scope = { issuer: 'factory', shard: 3 };
const revoked: CertificateStatus = { state: 'revoked', reason: 'superseded', atMs: 5 };

describe('rows of a scope', () => {
  let db: DatabaseSync;
  let table: RevocationTable;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    prepareSchema(db, 'memory', 1);
    table = new RevocationTable(db);
  });
  afterEach(() => {
    db.close();
  });

  function revoke(n: number, notAfterMs: number): void {
    table.put({ scope, serialNumber: serialOf(n), notAfterMs }, revoked, n);
  }

  function listed(): number[] {
    const { revoked: rows } = unpackRevocations(table.page(scope, undefined, 100, undefined));
    return rows.map(({ serialNumber }) => serialNumber[19] ?? -1);
  }

  test('are forgotten once their certificates have ended and a later CRL had them', () => {
    revoke(1, 10);
    revoke(2, 100);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 0 });
    // The CRL of before the end of the first one does not count.
    table.noteCrl(scope, 2, 10);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 0 });
    table.noteCrl(scope, 2, 11);
    revoke(3, 10);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 1 });
    expect(listed()).toEqual([2, 3]);
    table.noteCrl(scope, 3, 11);
    expect(table.forgetExpired(scope, 10, undefined)).toEqual({ forgotten: 0 });
    expect(table.forgetExpired(scope, 11, undefined)).toEqual({ forgotten: 1 });
    expect(listed()).toEqual([2]);
    expect(table.countChanges(scope)).toBe(3);
  });

  test('make their scope dirty until a CRL has all of its changes', () => {
    revoke(1, 10);
    revoke(2, 10);
    const dirty = { ...scope, changes: 2, changedAtMs: 2 };
    expect(table.dirtyScopes(10)).toEqual([dirty]);
    table.noteCrl(scope, 1, 20);
    expect(table.dirtyScopes(10)).toEqual([dirty]);
    table.noteCrl(scope, 2, 21);
    expect(table.dirtyScopes(10)).toEqual([]);
    // Of two owners the one that is behind takes nothing back.
    table.noteCrl(scope, 1, 22);
    expect(table.dirtyScopes(10)).toEqual([]);
    table.noteCrl({ issuer: 'factory', shard: 4 }, 0, 22);
    expect(table.dirtyScopes(10)).toEqual([]);
  });
});

function serialOf(n: number): Uint8Array {
  const serialNumber = new Uint8Array(20);
  serialNumber[0] = 1;
  serialNumber[19] = n;
  return serialNumber;
}
