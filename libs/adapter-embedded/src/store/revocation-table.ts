import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CertmillError, crlReasons, type CertificateStatus } from '@certmill/domain';
import { forgedStatus } from '@certmill/pipeline';
import type {
  ChangedScope,
  ChangedScopesPage,
  CrlScope,
  EndedRows,
  ScopeFollower,
} from '@certmill/ports';
import { CrlTable } from './crl-table.js';
import { packRevocations } from './packed-revocations.js';
import { numberIn, textIn } from './rows.js';
import { ScopeScans, type ScanPage } from './scope-scans.js';
import {
  addTo,
  isSameSum,
  nameOf,
  type ScopeSums,
  type Sum,
  type SummedRow,
  zeroSum,
} from './scope-sums.js';
import { readSoundly, rowColumns, storedReasonOf, storedRowOf } from './stored-row.js';

/** A certificate and what its status has become. */
export type ChangedRow = readonly [RevocationKey, CertificateStatus];

/** What a row holds besides its certificate's status. */
export interface RevocationKey {
  readonly scope: CrlScope;
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
}

/** Of a page that is asked for its changes only, so that no call takes the thread for long. */
const rowsLookedAt = 4_000;
/** Which column counts the changes that a follower of a scope has. */
const countOf: Readonly<Record<ScopeFollower, string>> = {
  full: 'full_changes',
  delta: 'delta_changes',
  presigned: 'presigned_changes',
};

/** Which rows of a scope are asked for. */
export interface RowsPage {
  readonly limit: number;
  /** Exclusive; undefined: from the first one on. */
  readonly after?: Uint8Array | undefined;
  /**
   * Of which rows changed after so many changes, released ones too; undefined: all that are revoked or held
   * now.
   */
  readonly changedSince?: number | undefined;
  readonly without?: EndedRows | undefined;
  /** Which listing of all rows the page is part of; undefined: of none, and nothing is checked. */
  readonly listing?: string | undefined;
}

/** A scope while its rows change, with the sum of them. */
interface OpenScope {
  readonly seq: number;
  readonly sum: Sum;
  changes: number;
}

/**
 * Rows of the CRLs' scopes, each by serial number. With `sums` they are sealed as a whole and checked
 * whenever all are listed: FAULT_STATUS_FORGED with the last page. Of a row that is read by itself only its
 * form is checked.
 */
export class RevocationTable {
  readonly #db: DatabaseSync;
  readonly #sums: ScopeSums | undefined;
  readonly #crls: CrlTable;
  readonly #scans = new ScopeScans();
  /** Changes that were seen, by scope: fewer are those of an earlier time. */
  readonly #seen: Map<string, number>;
  readonly #seenCommitted: Map<string, number>;
  readonly #row: StatementSync;
  readonly #setSealed: StatementSync;
  readonly #scope: StatementSync;
  readonly #addScope: StatementSync;
  readonly #countChange: StatementSync;
  readonly #put: StatementSync;
  readonly #firstPage: StatementSync;
  readonly #page: StatementSync;

  /** @param seenCommitted By scope, for the table of the same store that comes after this one. */
  constructor(db: DatabaseSync, sums?: ScopeSums, seenCommitted = new Map<string, number>()) {
    this.#db = db;
    this.#sums = sums;
    this.#seen = new Map(seenCommitted);
    this.#seenCommitted = seenCommitted;
    this.#crls = new CrlTable(db, sums);
    const columns = rowColumns.join(', ');
    this.#row = db.prepare(
      `SELECT ${columns} FROM revocations WHERE scope_seq = ? AND serial_number = ?`,
    );
    this.#row.setReturnArrays(true);
    this.#setSealed = db.prepare('UPDATE crl_scopes SET sealed = ? WHERE seq = ?');
    this.#scope = db.prepare('SELECT * FROM crl_scopes WHERE issuer = ? AND shard = ?');
    this.#addScope = db.prepare('INSERT INTO crl_scopes (issuer, shard, sealed) VALUES (?, ?, ?)');
    this.#countChange = db.prepare(
      `UPDATE crl_scopes SET changes = changes + 1, changed_at_ms = ?
       WHERE issuer = ? AND shard = ? RETURNING seq, changes, sealed`,
    );
    this.#put = db.prepare('INSERT OR REPLACE INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?)');
    // Of what is no octets too: that comes before all that is.
    this.#firstPage = db.prepare(
      `SELECT ${columns} FROM revocations WHERE scope_seq = ? ORDER BY serial_number LIMIT ?`,
    );
    this.#firstPage.setReturnArrays(true);
    this.#page = db.prepare(
      `SELECT ${columns} FROM revocations WHERE scope_seq = ? AND serial_number > ?
       ORDER BY serial_number LIMIT ?`,
    );
    this.#page.setReturnArrays(true);
  }

  /** Statuses have changed, in this order. Faults: FAULT_STATUS_FORGED; the caller's transaction is undone. */
  put(rows: readonly ChangedRow[], nowMs: number): void {
    const open = new Map<string, OpenScope>();
    for (const [{ scope, serialNumber, notAfterMs }, status] of rows) {
      const counted = this.#counted(scope, nowMs);
      const seq = numberIn(counted, 'seq');
      const change = numberIn(counted, 'changes');
      const row = { ...numbersOf(status), serialNumber, notAfterMs, change };
      if (this.#sums !== undefined) {
        const known = open.get(nameOf(scope));
        const sealed = counted['sealed'];
        const own = known ?? { seq, changes: 0, sum: this.#opened(scope, change - 1, sealed) };
        open.set(nameOf(scope), own);
        const delta = this.#sums.ofRow(scope, row);
        const before = this.#readRow(scope, seq, serialNumber);
        if (before !== undefined) addTo(delta, this.#sums.ofRow(scope, before), -1);
        addTo(own.sum, delta);
        own.changes = change;
        this.#scans.changed(seq, serialNumber, change, delta);
      }
      const { reason, revokedAtMs, invalidityDateMs } = row;
      const lost = invalidityDateMs ?? null;
      this.#put.run(seq, serialNumber, reason, revokedAtMs, lost, notAfterMs, change);
    }
    for (const [{ scope }] of rows) {
      const own = open.get(nameOf(scope));
      if (own === undefined) continue;
      this.#seal(scope, own);
      open.delete(nameOf(scope));
    }
  }

  /** What a certificate's row says of it; undefined where it never changed. Faults: FAULT_STATUS_FORGED. */
  recordedStatus(scope: CrlScope, serialNumber: Uint8Array): CertificateStatus | undefined {
    const found = this.#scope.get(scope.issuer, scope.shard);
    const row = found && this.#readRow(scope, numberIn(found, 'seq'), serialNumber);
    return row && statusOfRow(row);
  }

  /** Faults: FAULT_STATUS_FORGED. */
  countChanges({ issuer, shard }: CrlScope): number {
    const row = this.#scope.get(issuer, shard);
    if (row === undefined) {
      this.#assertNone({ issuer, shard });
      return 0;
    }
    const changes = numberIn(row, 'changes');
    this.#opened({ issuer, shard }, changes, row['sealed']);
    return changes;
  }

  /**
   * A page, packed. It may be short, or empty, and still not the last: it then says how far it looked.
   * Faults: FAULT_STATUS_FORGED, FAULT_OVERLOADED where its listing has to begin anew.
   */
  page(of: CrlScope, page: RowsPage): Uint8Array<ArrayBuffer> {
    const { after, limit, changedSince, without, listing } = page;
    const found = this.#scope.get(of.issuer, of.shard);
    if (found === undefined) {
      this.#assertNone(of);
      if (listing !== undefined && after !== undefined) throw goneOf(of);
      return packRevocations([], undefined);
    }
    const seq = numberIn(found, 'seq');
    const looked = Math.min(limit, rowsLookedAt);
    const sums = listing === undefined ? undefined : this.#sums;
    const scan = sums && this.#scans.goOn(listing ?? '', seq, after);
    const stored = this.#readPage(of, seq, after, looked);
    const rows = stored.filter(({ reason, change, notAfterMs }) => {
      if (without && notAfterMs < without.endedBeforeMs && change <= without.changes) return false;
      return changedSince === undefined
        ? reason !== crlReasons.removeFromCRL
        : change > changedSince;
    });
    const last = stored.at(-1);
    const isEnd = stored.length < looked || last === undefined;
    if (scan !== undefined && sums !== undefined) {
      for (const row of stored) scan.add(sums.ofRow(of, row));
      if (isEnd) this.#assertSum(of, scan);
      else scan.upTo(last.serialNumber);
    }
    return packRevocations(rows, isEnd ? undefined : last.serialNumber);
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
    if (this.#scope.get(issuer, shard) === undefined) this.#add(scope);
    this.#db
      .prepare(`UPDATE crl_scopes SET ${countOf[follower]} = ? WHERE issuer = ? AND shard = ?`)
      .run(changes, issuer, shard);
  }

  #seal(scope: CrlScope, { seq, changes, sum }: OpenScope): void {
    if (this.#sums !== undefined) this.#setSealed.run(this.#sums.seal(scope, changes, sum), seq);
  }

  #readRow(scope: CrlScope, seq: number, serialNumber: Uint8Array): SummedRow | undefined {
    const values = readSoundly(scope, () => this.#row.get(seq, serialNumber));
    return values && storedRowOf(scope, values as unknown as readonly unknown[]);
  }

  #readPage(
    scope: CrlScope,
    seq: number,
    after: Uint8Array | undefined,
    limit: number,
  ): readonly SummedRow[] {
    const stored = readSoundly(scope, () =>
      after === undefined ? this.#firstPage.all(seq, limit) : this.#page.all(seq, after, limit),
    ) as unknown as readonly (readonly unknown[])[];
    return stored.map((values) => storedRowOf(scope, values));
  }

  #assertSum(scope: CrlScope, scan: ScanPage): void {
    const row = this.#scope.get(scope.issuer, scope.shard);
    if (row === undefined) throw goneOf(scope);
    const changes = numberIn(row, 'changes');
    const sum = this.#opened(scope, changes, row['sealed']);
    if (isSameSum(scan.end(changes), sum)) return;
    throw forgedStatus(`the rows of ${nameOf(scope)} are others than were recorded`);
  }

  /** The sum of a scope's rows, where it has not fewer changes than are known of. */
  #opened(scope: CrlScope, changes: number, sealed: unknown): Sum {
    const seal = sealed instanceof Uint8Array ? sealed : new Uint8Array();
    const sum = this.#sums?.open(scope, changes, seal) ?? zeroSum();
    this.#assertNoFewer(scope, changes);
    this.#seen.set(nameOf(scope), changes);
    if (!this.#db.isTransaction) this.#seenCommitted.set(nameOf(scope), changes);
    return sum;
  }

  /** Of a scope that is not there nothing is known: whoever notes a CRL makes it. */
  #assertNone(scope: CrlScope): void {
    this.#assertNoFewer(scope, -1);
  }

  #assertNoFewer(scope: CrlScope, changes: number): void {
    if (this.#sums === undefined) return;
    const name = nameOf(scope);
    if (changes >= Math.max(this.#seen.get(name) ?? -1, this.#crls.countListed(scope))) return;
    throw forgedStatus(`${name} has fewer changes than it had`);
  }

  #add(scope: CrlScope): void {
    const sealed = this.#sums?.seal(scope, 0, zeroSum()) ?? new Uint8Array();
    this.#addScope.run(scope.issuer, scope.shard, sealed);
  }

  #counted({ issuer, shard }: CrlScope, nowMs: number) {
    const counted = this.#countChange.get(nowMs, issuer, shard);
    if (counted !== undefined) return counted;
    this.#assertNone({ issuer, shard });
    this.#add({ issuer, shard });
    const added = this.#countChange.get(nowMs, issuer, shard);
    if (added !== undefined) return added;
    throw new CertmillError('FAULT_STORE_CORRUPT', `the scope of issuer ${issuer} cannot be read`);
  }
}

/** Reason and times of a status, as they are stored. */
function numbersOf(
  status: CertificateStatus,
): Pick<SummedRow, 'reason' | 'revokedAtMs' | 'invalidityDateMs'> {
  if (status.state === 'good') {
    const revokedAtMs = status.releasedAtMs ?? 0;
    return { reason: crlReasons.removeFromCRL, revokedAtMs, invalidityDateMs: undefined };
  }
  const { reason, atMs: revokedAtMs, invalidityDateMs } = status;
  return { reason: crlReasons[reason], revokedAtMs, invalidityDateMs };
}

function statusOfRow({ reason, revokedAtMs, invalidityDateMs }: SummedRow): CertificateStatus {
  const name = storedReasonOf(reason);
  if (name === 'removeFromCRL') return { state: 'good', releasedAtMs: revokedAtMs };
  return {
    state: 'revoked',
    reason: name,
    atMs: revokedAtMs,
    ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
  };
}

function goneOf(scope: CrlScope): Error {
  return forgedStatus(`${nameOf(scope)} is not there any more`);
}
