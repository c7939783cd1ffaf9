import {
  CertmillError,
  isCertmillError,
  serialNumberBytes,
  type FaultCode,
  type StatusOutcome,
} from '@certmill/domain';
import { forgedStatus } from '@certmill/pipeline';
import type {
  ChangedScope,
  ChangedScopesPage,
  CrlScope,
  RevocationStore,
  RevokedCertificate,
  RevokedPageRequest,
  ScopeFollower,
  StatusChange,
  StoredCrl,
} from '@certmill/ports';
import type { Segments } from '../certificates/segments.js';
import type { Documents, Where } from '../connection/documents.js';
import { crlKey, type CrlDocument } from '../crls/crls.js';
import { ChangeLog, type ChangeLogParts } from './change-log.js';
import { FoldedRows } from './folded-rows.js';
import type { ScopeRow } from './row-codec.js';
import type { ScopeSeals } from './scope-seals.js';
import { scopeKey, scopeOfKey, type BlockDocument, type ScopeDocument } from './scope-documents.js';
import { ScopeLogs } from './scope-log.js';
import { takeSnapshot, type SnapshotParts } from './scope-snapshots.js';
import { ScopeTails, type ScopeTail } from './scope-tails.js';

export interface RevocationParts extends Omit<ChangeLogParts, 'logs' | 'folded' | 'readTail'> {
  readonly blocks: Documents<BlockDocument>;
  readonly crls: Documents<CrlDocument>;
  readonly segments: Segments;
  /** Absent: nothing of a scope is sealed or checked. */
  readonly seals?: ScopeSeals | undefined;
}

/** Rows of one entry of the log: some 100 KB with their places. */
const rowsPerEntry = 1_000;
/** A tail is put into a snapshot when it has more rows, and more than a quarter of the snapshot's. */
const tailRows = 16_384;
const snapshotFraction = 4;
/** Scopes of a page of those that are looked through for changes. */
const scopesAtOnce = 1_000;

/**
 * Statuses and the rows of CRLs' scopes. Each scope has a log, keyed by number, which orders its changes
 * (`ChangeLog`); readers fold it with the snapshot that takes most of it over.
 */
export class Revocations implements RevocationStore {
  readonly #parts: RevocationParts;
  readonly #logs: ScopeLogs;
  readonly #tails: ScopeTails;
  readonly #changeLog: ChangeLog;
  readonly #folded: FoldedRows;

  constructor(parts: RevocationParts) {
    this.#parts = parts;
    this.#logs = new ScopeLogs(parts.scopes, parts.log, parts.seals);
    this.#tails = new ScopeTails(this.#logs, parts.seals);
    this.#folded = new FoldedRows(parts.blocks);
    this.#changeLog = new ChangeLog({
      ...parts,
      logs: this.#logs,
      folded: this.#folded,
      readTail: (scope) => this.#tail(scope),
    });
  }

  async changeStatuses(changes: readonly StatusChange[]): Promise<readonly StatusOutcome[]> {
    await this.#assertIssued(changes);
    const outcomes = new Map<StatusChange, StatusOutcome>();
    for (const [scope, group] of byScope(changes)) {
      for (let at = 0; at < group.length; at += rowsPerEntry) {
        const together = group.slice(at, at + rowsPerEntry);
        const own = await this.#changeLog.change(scope, together);
        own.forEach((outcome, i) => outcomes.set(together[i] as StatusChange, outcome));
      }
      await this.#snapshotIfDue(scope);
    }
    return changes.map((change) => outcomes.get(change) ?? 'refused');
  }

  async countChanges(scope: CrlScope): Promise<number> {
    if (this.#parts.seals !== undefined) return (await this.#tail(scope))?.changes ?? 0;
    const found = await this.#logs.scope(scope);
    // Also what its writer did not live to count: a CRL has it from now on, so statuses should.
    return found === undefined ? 0 : (await this.#changeLog.applyAll(found)).changes;
  }

  async listRevoked(
    scope: CrlScope,
    page: Omit<RevokedPageRequest, 'listing'>,
  ): Promise<readonly RevokedCertificate[]> {
    const { limit } = page;
    const found: RevokedCertificate[] = [];
    let after = page.after;
    let snapshot: string | undefined;
    while (found.length < limit) {
      const tail = await this.#tail(scope);
      if (tail === undefined) return found;
      if (snapshot !== undefined && snapshot === tail.scope.snapshot?.id)
        throw blocksMissing(scope);
      snapshot = tail.scope.snapshot?.id;
      let isWhole = true;
      for await (const row of this.#folded.read(tail, after)) {
        if (row === undefined) {
          isWhole = false;
          break;
        }
        after = row.serialNumber;
        if (isListed(row, page)) found.push(revokedOf(row));
        if (found.length === limit) break;
      }
      if (isWhole) return found;
    }
    return found;
  }

  async listChangedScopes(
    follower: ScopeFollower,
    { issuers, limit, after }: ChangedScopesPage,
  ): Promise<readonly ChangedScope[]> {
    const changed: ChangedScope[] = [];
    let last = after === undefined ? '' : scopeKey(after);
    while (changed.length < limit) {
      const found = await this.#scopesAfter(last, { issuer: { $in: [...issuers] } });
      changed.push(...(await this.#notFollowed(follower, found)));
      const end = found.at(-1);
      if (end === undefined || found.length < scopesAtOnce) break;
      last = end._id;
    }
    return changed.slice(0, limit);
  }

  /** Writes what follows from entries that their writers left, of all scopes that are not refused. */
  async applyAll(): Promise<void> {
    for (let last = ''; ;) {
      const found = await this.#scopesAfter(last);
      for (const scope of found) await this.#applied(scope);
      const end = found.at(-1);
      if (end === undefined || found.length < scopesAtOnce) return;
      last = end._id;
    }
  }

  async notePresigned(scope: CrlScope, changes: number): Promise<void> {
    const { _id } = await this.#logs.requireScope(scope);
    await this.#parts.scopes.update({ _id }, { $set: { 'followed.presigned': changes } });
  }

  async countPresigned(scope: CrlScope): Promise<number> {
    return (await this.#logs.scope(scope))?.followed?.presigned ?? 0;
  }

  /** A CRL is in force. Who dies before it is told of has the CRL looked at again, and no more. */
  async noteCrl({
    scope,
    kind,
    changes,
  }: Pick<StoredCrl, 'scope' | 'kind' | 'changes'>): Promise<void> {
    const { _id } = await this.#logs.requireScope(scope);
    await this.#parts.scopes.update({ _id }, { $set: { [`followed.${kind}`]: changes } });
  }

  #scopesAfter(last: string, where: Where = {}): Promise<readonly ScopeDocument[]> {
    return this.#parts.scopes.find(
      { _id: { $gt: last }, ...where },
      { sort: { _id: 1 }, limit: scopesAtOnce, fields: scopeFields },
    );
  }

  /** Those with changes that the follower does not have, and those that are refused. */
  async #notFollowed(
    follower: ScopeFollower,
    scopes: readonly ScopeDocument[],
  ): Promise<readonly ChangedScope[]> {
    const looked: ChangedScope[] = [];
    for (const stored of scopes) {
      const scope = await this.#applied(stored);
      if (scope !== undefined) looked.push(changedScopeOf(scope, follower));
      else looked.push(...this.#refused(stored));
    }
    const behind = looked.filter(({ changes, followed }) => changes !== followed);
    if (follower === 'presigned' || behind.length === 0) return behind;
    // What counts is the CRL in force: its maker may have died before it noted it.
    const crls = await this.#parts.crls.getMany(
      behind.map((scope) => crlKey(scope, follower)),
      crlFields,
    );
    const inForce = new Map(crls.map((crl) => [crl._id, crl]));
    const noted: ChangedScope[] = [];
    for (const scope of behind) {
      const crl = inForce.get(crlKey(scope, follower));
      if (crl === undefined || crl.changes !== scope.changes) continue;
      await this.noteCrl({ ...crl, scope, kind: follower });
      noted.push(scope);
    }
    return behind.filter((scope) => !noted.includes(scope));
  }

  /** With what its writers left; undefined where it is refused, which stops no other scope. */
  async #applied(stored: ScopeDocument): Promise<ScopeDocument | undefined> {
    try {
      this.#parts.seals?.assertApplied(stored);
      return stored.intended > stored.applied ? await this.#changeLog.applyAll(stored) : stored;
    } catch (error) {
      if (isCertmillError(error) && refusals.has(error.code)) return undefined;
      throw error;
    }
  }

  /** It counts as changed: whoever then makes its CRL is refused, and tells so. */
  #refused({ _id, issuer }: ScopeDocument): readonly ChangedScope[] {
    const scope = scopeOfKey(_id);
    if (scope?.issuer !== issuer) return [];
    return [{ ...scope, changes: NaN, changedAtMs: this.#parts.clock.nowMs(), followed: 0 }];
  }

  get #snapshotParts(): SnapshotParts {
    const { scopes, log, blocks, seals } = this.#parts;
    return { scopes, log, blocks, seals, folded: this.#folded };
  }

  /** Everything of a scope, its statuses written; undefined where there is none. */
  async #tail(scope: CrlScope): Promise<ScopeTail | undefined> {
    const { seals } = this.#parts;
    for (let emptiedBehind: string | undefined; ;) {
      const found = await this.#logs.scope(scope);
      if (found === undefined) {
        await seals?.assertNeverSeen(scope);
        return undefined;
      }
      const tail = await this.#tails.read(await this.#changeLog.applyAll(found));
      if (tail !== undefined) {
        await seals?.advance(scope, { number: tail.end, seal: tail.head }, (after) =>
          this.#logs.read(scope, after),
        );
        return tail;
      }
      // Entries are emptied when a later snapshot is in force.
      const snapshot = found.snapshot?.id ?? '';
      if (snapshot === emptiedBehind) throw blocksMissing(scope);
      emptiedBehind = snapshot;
    }
  }

  async #snapshotIfDue(scope: CrlScope): Promise<void> {
    const found = await this.#logs.scope(scope);
    if (found === undefined) return;
    const { rows, changes } = found.snapshot ?? { rows: 0, changes: 0 };
    if (found.changes - changes < Math.max(tailRows, rows / snapshotFraction)) return;
    const tail = await this.#tail(scope);
    if (tail !== undefined) await takeSnapshot(this.#snapshotParts, tail);
  }

  /** Faults: NOT_FOUND, INVALID_INPUT. */
  async #assertIssued(changes: readonly StatusChange[]): Promise<void> {
    const chunks = await Promise.all(
      changes.map(({ tenant, batchId, index }) => this.#parts.findChunk(tenant, batchId, index)),
    );
    const known = chunks.filter((chunk) => chunk !== undefined);
    const haveEnded = await this.#parts.segments.haveEnded(known);
    if (known.length < changes.length || haveEnded.includes(false)) {
      throw new CertmillError('NOT_FOUND', 'one of the certificates was never issued');
    }
    if (changes.some(({ serialNumber }) => serialNumber.length !== serialNumberBytes)) {
      throw new CertmillError('INVALID_INPUT', 'a serial number has 20 octets');
    }
  }
}

/** Of one scope, not of the store. */
const refusals: ReadonlySet<FaultCode> = new Set(['FAULT_STATUS_FORGED', 'FAULT_STORE_CORRUPT']);
/** All but the blocks of the snapshot. */
const scopeFields: readonly (keyof ScopeDocument)[] = [
  'issuer',
  'shard',
  'intended',
  'applied',
  'changes',
  'changedAtMs',
  'head',
  'seal',
  'followed',
];
const crlFields: readonly (keyof CrlDocument)[] = ['changes'];

function changedScopeOf(
  { issuer, shard, changes, changedAtMs, followed }: ScopeDocument,
  follower: ScopeFollower,
): ChangedScope {
  return { issuer, shard, changes, changedAtMs, followed: followed?.[follower] ?? 0 };
}

function byScope(changes: readonly StatusChange[]) {
  const groups = new Map<string, [CrlScope, StatusChange[]]>();
  for (const change of changes) {
    const key = scopeKey(change.scope);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [change.scope, [change]]);
    else group[1].push(change);
  }
  return groups.values();
}

function blocksMissing(scope: CrlScope): CertmillError {
  return forgedStatus(`rows of ${scopeKey(scope)} are gone that its snapshot names`);
}

function isListed(
  row: ScopeRow,
  { changedSince, without }: Pick<RevokedPageRequest, 'changedSince' | 'without'>,
): boolean {
  if (without && row.notAfterMs < without.endedBeforeMs && row.change <= without.changes) {
    return false;
  }
  return changedSince === undefined ? row.reason !== 'removeFromCRL' : row.change > changedSince;
}

function revokedOf({ change: _, ...row }: ScopeRow): RevokedCertificate {
  return row;
}
