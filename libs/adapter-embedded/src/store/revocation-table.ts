import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { CertmillError, crlReasons, type CertificateStatus } from '@certmill/domain';
import type {
  ChangedScope,
  ChangedScopesPage,
  CrlScope,
  ScopeFollower,
  StoredCrl,
} from '@certmill/ports';
import { packRevocations, type RevocationRow } from './packed-revocations.js';
import { numberIn, textIn } from './rows.js';

/** What a row holds besides its certificate's status. */
export interface RevocationKey {
  readonly scope: CrlScope;
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
}

/** Of a page that is asked for its changes only, so that no call takes the thread for long. */
const rowsLookedAt = 4_000;
const beforeAll = new Uint8Array();
/** Which column counts the changes that a follower of a scope has. */
const countOf: Readonly<Record<ScopeFollower, string>> = {
  full: 'full_changes',
  delta: 'delta_changes',
  presigned: 'presigned_changes',
};

/** Rows of the CRLs' scopes, each by serial number. */
export class RevocationTable {
  readonly #db: DatabaseSync;
  readonly #scope: StatementSync;
  readonly #addScope: StatementSync;
  readonly #countChange: StatementSync;
  readonly #put: StatementSync;
  readonly #page: StatementSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#scope = db.prepare('SELECT * FROM crl_scopes WHERE issuer = ? AND shard = ?');
    this.#addScope = db.prepare('INSERT INTO crl_scopes (issuer, shard) VALUES (?, ?)');
    this.#countChange = db.prepare(
      `UPDATE crl_scopes SET changes = changes + 1, changed_at_ms = max(changed_at_ms, ?)
       WHERE issuer = ? AND shard = ? RETURNING seq, changes`,
    );
    this.#put = db.prepare('INSERT OR REPLACE INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#page = db.prepare(
      `SELECT serial_number, reason, revoked_at_ms, invalidity_date_ms, not_after_ms, change
       FROM revocations WHERE scope_seq = ? AND serial_number > ? ORDER BY serial_number LIMIT ?`,
    );
    this.#page.setReturnArrays(true);
    this.#remove = db.prepare('DELETE FROM revocations WHERE scope_seq = ? AND serial_number = ?');
  }

  /** The status of one certificate has changed to this. */
  put(
    { scope, serialNumber, notAfterMs }: RevocationKey,
    status: CertificateStatus,
    nowMs: number,
  ) {
    const isRevoked = status.state === 'revoked';
    const counted = this.#counted(scope, nowMs);
    this.#put.run(
      numberIn(counted, 'seq'),
      serialNumber,
      crlReasons[isRevoked ? status.reason : 'removeFromCRL'],
      (isRevoked ? status.atMs : status.releasedAtMs) ?? 0,
      (isRevoked ? status.invalidityDateMs : undefined) ?? null,
      notAfterMs,
      numberIn(counted, 'changes'),
    );
  }

  countChanges({ issuer, shard }: CrlScope): number {
    const row = this.#scope.get(issuer, shard);
    return row === undefined ? 0 : numberIn(row, 'changes');
  }

  /**
   * A page, packed. It may be short, or empty, and still not the last: it then says how far it looked.
   * @param changedSince Of which rows changed after so many changes, released ones too; undefined: all
   * that are revoked or held now.
   */
  page(
    { issuer, shard }: CrlScope,
    after: Uint8Array | undefined,
    limit: number,
    changedSince: number | undefined,
  ): Uint8Array<ArrayBuffer> {
    const scope = this.#scope.get(issuer, shard);
    if (scope === undefined) return packRevocations([], undefined);
    const looked = Math.min(limit, rowsLookedAt);
    const stored = this.#page.all(
      numberIn(scope, 'seq'),
      after ?? beforeAll,
      looked,
    ) as unknown as SQLOutputValue[][];
    const rows = stored
      .filter((row) =>
        changedSince === undefined
          ? row[1] !== crlReasons.removeFromCRL
          : (row[5] as number) > changedSince,
      )
      .map(rowOf);
    const last = stored.at(-1);
    const isEnd = stored.length < looked || last === undefined;
    return packRevocations(rows, isEnd ? undefined : (last[0] as Uint8Array));
  }

  /**
   * Removes what the stored full CRL has had beyond its end, of a page of rows.
   * @returns How many, and the last row that was looked at where there may be more behind it.
   */
  forgetExpired(
    { issuer, shard }: CrlScope,
    endedBeforeMs: number,
    after: Uint8Array | undefined,
  ): { readonly forgotten: number; readonly lookedUpTo?: Uint8Array } {
    const scope = this.#scope.get(issuer, shard);
    if (scope === undefined) return { forgotten: 0 };
    const seq = numberIn(scope, 'seq');
    const crlChanges = numberIn(scope, 'full_changes');
    const beforeMs = Math.min(endedBeforeMs, numberIn(scope, 'full_this_update_ms'));
    const stored = this.#page.all(
      seq,
      after ?? beforeAll,
      rowsLookedAt,
    ) as unknown as SQLOutputValue[][];
    let forgotten = 0;
    for (const [serialNumber, , , , notAfterMs, change] of stored) {
      if ((notAfterMs as number) >= beforeMs || (change as number) > crlChanges) continue;
      this.#remove.run(seq, serialNumber as Uint8Array);
      forgotten += 1;
    }
    const last = stored.at(-1);
    return stored.length < rowsLookedAt || last === undefined
      ? { forgotten }
      : { forgotten, lookedUpTo: last[0] as Uint8Array };
  }

  /** By issuer and shard. */
  changedScopes(
    follower: ScopeFollower,
    { issuers, limit, after = { issuer: '', shard: -1 } }: ChangedScopesPage,
  ): ChangedScope[] {
    const rows = this.#db
      .prepare(
        `SELECT issuer, shard, changes, changed_at_ms, ${countOf[follower]} AS followed FROM crl_scopes
         WHERE (issuer, shard) > (?, ?) AND changes <> ${countOf[follower]}
           AND issuer IN (SELECT value FROM json_each(?))
         ORDER BY issuer, shard LIMIT ?`,
      )
      .all(after.issuer, after.shard, JSON.stringify(issuers), limit);
    return rows.map((row) => ({
      issuer: textIn(row, 'issuer'),
      shard: numberIn(row, 'shard'),
      changes: numberIn(row, 'changes'),
      changedAtMs: numberIn(row, 'changed_at_ms'),
      followed: numberIn(row, 'followed'),
    }));
  }

  countPresigned({ issuer, shard }: CrlScope): number {
    const row = this.#scope.get(issuer, shard);
    return row === undefined ? 0 : numberIn(row, 'presigned_changes');
  }

  /** The follower has exactly so many changes of the scope. */
  note(scope: CrlScope, follower: ScopeFollower, changes: number): void {
    const { issuer, shard } = scope;
    if (this.#scope.get(issuer, shard) === undefined) this.#addScope.run(issuer, shard);
    this.#db
      .prepare(`UPDATE crl_scopes SET ${countOf[follower]} = ? WHERE issuer = ? AND shard = ?`)
      .run(changes, issuer, shard);
  }

  /** A CRL is in force. */
  noteCrl({ scope, kind, changes, thisUpdateMs }: Omit<StoredCrl, 'der'>): void {
    this.note(scope, kind, changes);
    if (kind === 'delta') return;
    this.#db
      .prepare('UPDATE crl_scopes SET full_this_update_ms = ? WHERE issuer = ? AND shard = ?')
      .run(thisUpdateMs, scope.issuer, scope.shard);
  }

  #counted({ issuer, shard }: CrlScope, nowMs: number) {
    const counted = this.#countChange.get(nowMs, issuer, shard);
    if (counted !== undefined) return counted;
    this.#addScope.run(issuer, shard);
    const added = this.#countChange.get(nowMs, issuer, shard);
    if (added !== undefined) return added;
    throw new CertmillError('FAULT_STORE_CORRUPT', `the scope of issuer ${issuer} cannot be read`);
  }
}

function rowOf(row: readonly SQLOutputValue[]): RevocationRow {
  const [serialNumber, reason, revokedAtMs, invalidityDateMs, notAfterMs] = row;
  return {
    serialNumber: serialNumber as Uint8Array,
    reason: reason as number,
    revokedAtMs: revokedAtMs as number,
    invalidityDateMs: (invalidityDateMs ?? undefined) as number | undefined,
    notAfterMs: notAfterMs as number,
  };
}
