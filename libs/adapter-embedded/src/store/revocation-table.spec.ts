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
    table.put([[{ scope, serialNumber: serialOf(n), notAfterMs }, revoked]], n);
  }

  function noteCrl(changes: number, thisUpdateMs: number): void {
    const rest = { crlNumber: 1n, nextUpdateMs: 1_000, entries: 0, hasDeltas: false };
    table.noteCrl({ scope, kind: 'full', changes, thisUpdateMs, ...rest });
  }

  function listed(): number[] {
    const { revoked: rows } = unpackRevocations(table.page(scope, { limit: 100 }));
    return rows.map(({ serialNumber }) => serialNumber[19] ?? -1);
  }

  test('are forgotten once their certificates have ended and a later CRL had them', () => {
    revoke(1, 10);
    revoke(2, 100);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 0 });
    // The CRL of before the end of the first one does not count.
    noteCrl(2, 10);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 0 });
    noteCrl(2, 11);
    revoke(3, 10);
    expect(table.forgetExpired(scope, 50, undefined)).toEqual({ forgotten: 1 });
    expect(listed()).toEqual([2, 3]);
    noteCrl(3, 11);
    expect(table.forgetExpired(scope, 10, undefined)).toEqual({ forgotten: 0 });
    expect(table.forgetExpired(scope, 11, undefined)).toEqual({ forgotten: 1 });
    expect(listed()).toEqual([2]);
    expect(table.countChanges(scope)).toBe(3);
  });
});

function serialOf(n: number): Uint8Array {
  const serialNumber = new Uint8Array(20);
  serialNumber[0] = 1;
  serialNumber[19] = n;
  return serialNumber;
}
