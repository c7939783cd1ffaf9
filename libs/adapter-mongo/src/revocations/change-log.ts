import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CertmillError,
  changedStatus,
  isKeyCompromised,
  isRevokedForGood,
  type CertificateStatus,
  type ChunkRef,
  type StatusOutcome,
} from '@certmill/domain';
import { forgedStatus } from '@certmill/pipeline';
import type { Clock, CrlScope, StatusChange } from '@certmill/ports';
import { statusKey, type Statuses } from '../certificates/statuses.js';
import type { Documents } from '../connection/documents.js';
import { encodeRows, rowOfStatus, statusOfRow, type ScopeRow } from './row-codec.js';
import { logKey, type LogDocument, type ScopeDocument } from './scope-documents.js';
import { contentOf, type ScopeSeals } from './scope-seals.js';
import type { FoldedRows } from './folded-rows.js';
import type { LogEntry, ScopeLogs } from './scope-log.js';
import type { ScopeTail } from './scope-tails.js';

export interface ChangeLogParts {
  /** What follows from entries is reckoned in, in memory, and not written. */
  readonly isReadOnly: boolean;
  readonly scopes: Documents<ScopeDocument>;
  readonly log: Documents<LogDocument>;
  readonly logs: ScopeLogs;
  readonly folded: FoldedRows;
  /** With all that is there, applied; undefined where there is no such scope. */
  readonly readTail: (scope: CrlScope) => Promise<ScopeTail | undefined>;
  /** Absent: entries have no seals, and whoever checks them refuses them. */
  readonly seals?: ScopeSeals | undefined;
  readonly statuses: Statuses;
  readonly findChunk: (
    tenant: string,
    batchId: string,
    index: number,
  ) => Promise<ChunkRef | undefined>;
  readonly releaseClaim: (chunk: ChunkRef, index: number) => Promise<void>;
  readonly blockKey: (chunk: ChunkRef, index: number) => Promise<void>;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Others being first this often in a row is no bad luck any more. */
const maxLosses = 100;
const longestPauseMs = 50;

/**
 * Changes go into their scope's log first, as rows of the next entry, which only one writer can insert:
 * whoever does has folded all entries before it, so the entry's outcome is known when it is there.
 * Statuses and claims follow, by whoever comes by: a writer that died in between is finished by the
 * next one, or by the next reader of the scope.
 */
export class ChangeLog {
  readonly #parts: ChangeLogParts;

  constructor(parts: ChangeLogParts) {
    this.#parts = parts;
  }

  /** Changes of one scope. Faults: FAULT_OVERLOADED where others are always first. */
  async change(
    scope: CrlScope,
    changes: readonly StatusChange[],
  ): Promise<readonly StatusOutcome[]> {
    for (let losses = 0; losses <= maxLosses; losses += 1) {
      const outcomes = await this.#tryToChange(scope, changes);
      if (outcomes !== undefined) return outcomes;
      const pauseMs = this.#parts.random() * Math.min(longestPauseMs, 2 ** losses);
      if (pauseMs >= 1) await delay(pauseMs);
    }
    throw new CertmillError('FAULT_OVERLOADED', 'other processes keep coming first');
  }

  /** Writes what follows from entries that their writers left; resolves to the scope as it is then. */
  async applyAll(scope: ScopeDocument): Promise<ScopeDocument> {
    const tail = await this.#parts.logs.unapplied(scope);
    return this.#apply(tail.scope, tail.entries);
  }

  /** Undefined where another writer was first. */
  async #tryToChange(
    { issuer, shard }: CrlScope,
    changes: readonly StatusChange[],
  ): Promise<readonly StatusOutcome[] | undefined> {
    const { logs, log, scopes, seals, clock, readTail } = this.#parts;
    await logs.requireScope({ issuer, shard });
    const tail = await readTail({ issuer, shard });
    // Of entries that have come since, another applies what follows.
    if (tail === undefined || tail.end > tail.scope.applied) return undefined;
    const { scope, head } = tail;
    const statuses = await this.#statusesIn(tail, changes);
    if (statuses === undefined) return undefined;
    const { outcomes, places, rows } = judge(changes, statuses, tail.changes);
    if (rows.length === 0) return outcomes;
    const number = tail.end + 1;
    // Nothing is built on a log that is not the one it was: the seal of this entry would hide that.
    if ((await logs.sealOf(scope, tail.end)) !== head) {
      throw forgedStatus(`the last entry of ${scope._id} is gone, or is another`);
    }
    const atMs = clock.nowMs();
    const { _id } = scope;
    // Before it: a scope whose writer dies now is looked at by whoever asks for changes.
    await scopes.update({ _id }, { $max: { intended: number } });
    const changesThen = tail.changes + rows.length;
    const stored = { places, rows: encodeRows(rows), changes: changesThen, atMs };
    const entry = { number, content: contentOf(stored) };
    const seal = seals?.sealEntry(scope, entry, head) ?? '';
    const inserted = await log.insertOwn({
      _id: logKey(scope, number),
      ...stored,
      seal,
      writer: randomUUID(),
    });
    if (inserted === 'exists') return undefined;
    await seals?.noteOwn(scope, { number, seal });
    await this.#apply(scope, [{ ...stored, number, rows, seal }]);
    return outcomes;
  }

  /**
   * What the log makes of the certificates, by place: the statuses beside them are not sealed. Undefined
   * where a later snapshot has taken the place of the tail's.
   */
  async #statusesIn(
    tail: ScopeTail,
    changes: readonly StatusChange[],
  ): Promise<Map<string, CertificateStatus> | undefined> {
    const rows = await this.#parts.folded.find(
      tail,
      changes.map(({ serialNumber }) => serialNumber),
    );
    if (rows === undefined) return undefined;
    const statuses = new Map<string, CertificateStatus>();
    for (const change of changes) {
      const row = rows.get(Buffer.from(change.serialNumber).toString('hex'));
      if (row !== undefined) statuses.set(placeOf(change), statusOfRow(row));
    }
    return statuses;
  }

  async #apply(scope: ScopeDocument, entries: readonly LogEntry[]): Promise<ScopeDocument> {
    for (const entry of entries) await this.#applyEntry(entry);
    const last = entries.at(-1);
    if (last === undefined) return scope;
    const { number: applied, seal: head, changes, atMs: changedAtMs } = last;
    const followed = { applied, head, changes, changedAtMs };
    const seal = this.#parts.seals?.sealApplied(scope, followed) ?? '';
    const { _id } = scope;
    // Others may be further.
    const isBehind = { _id, applied: { $lt: applied } };
    if (!this.#parts.isReadOnly) {
      await this.#parts.scopes.update(isBehind, { $set: { ...followed, seal } });
    }
    return { ...scope, ...followed, seal };
  }

  async #applyEntry({ number, places, rows }: LogEntry): Promise<void> {
    const { isReadOnly, statuses, findChunk, releaseClaim, blockKey } = this.#parts;
    const last = new Map<string, CertificateStatus>();
    rows.forEach((row, i) => last.set(places[i] ?? '', statusOfRow(row)));
    await statuses.putNewer(last, number);
    if (isReadOnly) return;
    // After it: a device may have another certificate only when this one is known to be bad.
    const revoked = [...last].filter(([, status]) => isRevokedForGood(status));
    await Promise.all(
      revoked.map(async ([place, status]) => {
        const [tenant = '', batchId = '', index = ''] = place.split('/');
        const chunk = await findChunk(tenant, batchId, Number(index));
        if (chunk === undefined) return;
        // Before the device may have another: not for the same key.
        if (isKeyCompromised(status)) await blockKey(chunk, Number(index));
        await releaseClaim(chunk, Number(index));
      }),
    );
  }
}

/** What becomes of the changes one after the other; only what changes something has a row. */
function judge(
  changes: readonly StatusChange[],
  statuses: Map<string, CertificateStatus>,
  changesBefore: number,
) {
  const places: string[] = [];
  const rows: ScopeRow[] = [];
  const outcomes = changes.map((each) => {
    const place = placeOf(each);
    const { outcome, status } = changedStatus(
      statuses.get(place) ?? { state: 'good' },
      each.change,
    );
    if (outcome !== 'changed') return outcome;
    statuses.set(place, status);
    const { serialNumber, notAfterMs } = each;
    const change = changesBefore + rows.length + 1;
    places.push(place);
    rows.push(rowOfStatus(status, { serialNumber, notAfterMs, change }));
    return outcome;
  });
  return { outcomes, places, rows };
}

function placeOf({ tenant, batchId, index }: StatusChange): string {
  return statusKey(tenant, batchId, index);
}
