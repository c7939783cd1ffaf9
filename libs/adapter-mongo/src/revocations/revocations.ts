import { CertmillError, serialNumberBytes, type StatusOutcome } from '@certmill/domain';
import type { CrlScope, RevocationStore, RevokedCertificate, StatusChange } from '@certmill/ports';
import type { Segments } from '../certificates/segments.js';
import type { Documents } from '../connection/documents.js';
import { ChangeLog, type ChangeLogParts } from './change-log.js';
import { FoldedRows } from './folded-rows.js';
import type { ScopeRow } from './row-codec.js';
import { scopeKey, type BlockDocument, type ScopeDocument } from './scope-documents.js';
import { ScopeLogs, type ScopeTail } from './scope-log.js';
import { takeSnapshot, type SnapshotParts } from './scope-snapshots.js';

export interface RevocationParts extends Omit<ChangeLogParts, 'logs'> {
  readonly blocks: Documents<BlockDocument>;
  readonly segments: Segments;
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
  readonly #changeLog: ChangeLog;
  readonly #folded: FoldedRows;

  constructor(parts: RevocationParts) {
    this.#parts = parts;
    this.#logs = new ScopeLogs(parts.scopes, parts.log);
    this.#changeLog = new ChangeLog({ ...parts, logs: this.#logs });
    this.#folded = new FoldedRows(parts.blocks);
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
    const found = await this.#logs.scope(scope);
    // Also what its writer did not live to count: a CRL has it from now on, so statuses should.
    return found === undefined ? 0 : (await this.#changeLog.applyAll(found)).changes;
  }

  async listRevoked(
    scope: CrlScope,
    page: { readonly limit: number; readonly after?: Uint8Array; readonly changedSince?: number },
  ): Promise<readonly RevokedCertificate[]> {
    const { limit, changedSince } = page;
    const found: RevokedCertificate[] = [];
    let after = page.after;
    while (found.length < limit) {
      const tail = await this.#tail(scope);
      if (tail === undefined) return found;
      let isWhole = true;
      for await (const row of this.#folded.read(tail, after)) {
        if (row === undefined) {
          isWhole = false;
          break;
        }
        after = row.serialNumber;
        if (isListed(row, changedSince)) found.push(revokedOf(row));
        if (found.length === limit) break;
      }
      if (isWhole) return found;
    }
    return found;
  }

  async forgetExpired(scope: CrlScope, endedBeforeMs: number): Promise<number> {
    const tail = await this.#tail(scope);
    if (tail === undefined) return 0;
    const { crlChanges, crlThisUpdateMs } = tail.scope;
    const beforeMs = Math.min(endedBeforeMs, crlThisUpdateMs);
    const isOver = (row: ScopeRow): boolean =>
      row.notAfterMs < beforeMs && row.change <= crlChanges;
    let forgotten = 0;
    for await (const row of this.#folded.read(tail, undefined)) {
      if (row !== undefined && isOver(row)) forgotten += 1;
    }
    if (forgotten === 0) return 0;
    return (await takeSnapshot(this.#snapshotParts, tail, (row) => !isOver(row))) ? forgotten : 0;
  }

  async listDirtyScopes(limit: number) {
    const dirty: (CrlScope & { changes: number; changedAtMs: number })[] = [];
    for await (const stored of this.#scopes()) {
      const { intended, applied } = stored;
      const scope = intended > applied ? await this.#changeLog.applyAll(stored) : stored;
      const { issuer, shard, changes, changedAtMs, crlChanges } = scope;
      if (changes > crlChanges) dirty.push({ issuer, shard, changes, changedAtMs });
    }
    return dirty.sort((one, other) => one.changedAtMs - other.changedAtMs).slice(0, limit);
  }

  /** A full CRL is stored: it has so many changes of its scope. */
  async noteCrl(scope: CrlScope, changes: number, thisUpdateMs: number): Promise<void> {
    const { _id } = await this.#logs.requireScope(scope);
    const noted = { crlChanges: changes, crlThisUpdateMs: thisUpdateMs };
    await this.#parts.scopes.update({ _id }, { $max: noted });
  }

  get #snapshotParts(): SnapshotParts {
    const { scopes, log, blocks } = this.#parts;
    return { scopes, log, blocks, folded: this.#folded };
  }

  /** Everything of a scope, its statuses written; undefined where there is none. */
  async #tail(scope: CrlScope): Promise<ScopeTail | undefined> {
    for (;;) {
      const found = await this.#logs.scope(scope);
      if (found === undefined) return undefined;
      const tail = await this.#logs.tail(await this.#changeLog.applyAll(found));
      if (tail !== undefined) return tail;
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

  async *#scopes(): AsyncGenerator<ScopeDocument> {
    let after = '';
    for (;;) {
      const found = await this.#parts.scopes.find(
        { _id: { $gt: after } },
        { sort: { _id: 1 }, limit: scopesAtOnce, fields: scopeFields },
      );
      yield* found;
      const last = found.at(-1);
      if (last === undefined || found.length < scopesAtOnce) return;
      after = last._id;
    }
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

/** All but the blocks of the snapshot. */
const scopeFields: readonly (keyof ScopeDocument)[] = [
  'issuer',
  'shard',
  'intended',
  'applied',
  'changes',
  'changedAtMs',
  'crlChanges',
];

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

function isListed(row: ScopeRow, changedSince: number | undefined): boolean {
  return changedSince === undefined ? row.reason !== 'removeFromCRL' : row.change > changedSince;
}

function revokedOf({ change: _, ...row }: ScopeRow): RevokedCertificate {
  return row;
}
