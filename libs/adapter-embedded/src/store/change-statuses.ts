import {
  CertmillError,
  changedStatus,
  isKeyCompromised,
  isRevokedForGood,
  serialNumberBytes,
  type BatchId,
  type CertificateStatus,
  type StatusOutcome,
} from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { udidIdAt } from '@certmill/packed';
import type { StatusChange } from '@certmill/ports';
import type { ChunkRecord } from './chunk-table.js';
import type { DecideTables } from './decide-chunk.js';
import type { ChangedRow, RevocationTable } from './revocation-table.js';

export interface StatusTables extends DecideTables {
  readonly revocations: RevocationTable;
}

/** Of a certificate that has no row: it never changed. */
const good: CertificateStatus = { state: 'good' };

/**
 * Changes statuses, the rows of their scopes and the claims of their devices. What a change makes of a certificate
 * is judged by its row, which is sealed with its scope, and never by the status beside it (ADR 0035). One transaction,
 * the caller's: a change that throws undoes all of them.
 */
export function changeStatuses(
  tables: StatusTables,
  changes: readonly StatusChange[],
  nowMs: number,
): StatusOutcome[] {
  const chunkAt = issuedChunks(tables);
  const rows: ChangedRow[] = [];
  /** Of this call, by serial number: their rows are written together. */
  const changed = new Map<string, CertificateStatus>();
  const outcomes = changes.map((change) => {
    const { index, serialNumber } = change;
    if (serialNumber.length !== serialNumberBytes) {
      throw new CertmillError('INVALID_INPUT', 'a serial number has 20 octets');
    }
    const chunk = chunkAt(change);
    chunk.assertIssued(index);
    const { batch } = chunk.record;
    const serialHex = Buffer.from(serialNumber).toString('hex');
    const before =
      changed.get(serialHex) ??
      tables.revocations.recordedStatus(change.scope, serialNumber) ??
      good;
    const { outcome, status } = changedStatus(before, change.change);
    if (outcome !== 'changed') return outcome;
    changed.set(serialHex, status);
    tables.statuses.put(batch, index, status);
    rows.push([change, status]);
    if (isKeyCompromised(status)) chunk.blockKey(index);
    if (isRevokedForGood(status)) chunk.releaseClaim(index);
    return outcome;
  });
  tables.revocations.put(rows, nowMs);
  return outcomes;
}

interface IssuedChunk {
  readonly record: ChunkRecord;
  /** Faults: NOT_FOUND where its request was rejected. */
  assertIssued(index: number): void;
  /** The device may have another certificate of the profile; its key stays bound to it. */
  releaseClaim(index: number): void;
  /** Nobody may have another certificate for its key. */
  blockKey(index: number): void;
}

/** Neighbours share their chunk's verdict: it is read once. */
function issuedChunks(tables: StatusTables): (change: StatusChange) => IssuedChunk {
  let latest:
    { readonly name: string; readonly end: number; readonly chunk: IssuedChunk } | undefined;
  return ({ tenant, batchId, index }) => {
    const name = `${tenant}/${batchId}`;
    const first = latest?.chunk.record.firstIndex ?? 0;
    if (latest?.name === name && index >= first && index < latest.end) return latest.chunk;
    const batch = tables.batches.key(tenant, batchId);
    const record = batch && tables.chunks.findAt(batch, index);
    if (record?.segment === undefined) {
      throw noCertificate(batchId, index);
    }
    const chunk = issuedChunk(tables, record);
    latest = { name, end: record.firstIndex + record.count, chunk };
    return chunk;
  };
}

function issuedChunk(tables: StatusTables, record: ChunkRecord): IssuedChunk {
  const { tenant, batchId, orderId, seq } = record.batch;
  const order = tables.orders.getOrder(tenant, orderId);
  const encoded = tables.chunks.getVerdict(record);
  // A chunk that ended undecided issued nothing.
  if (order === undefined || encoded === undefined) throw noCertificate(batchId, record.firstIndex);
  const verdict = decodeVerdict(encoded);
  const { buffer, byteOffset, byteLength } = verdict.udids;
  const udids = Buffer.from(buffer, byteOffset, byteLength);
  const deviceAt = (index: number): string => verdict.deviceIds[index - record.firstIndex] ?? '';
  const udidAt = (index: number): string => udidIdAt(udids, index - record.firstIndex);
  const scoped = tables.claims.within({ tenant, profileName: order.profileName });
  return {
    record,
    assertIssued(index) {
      if (verdict.codes[index - record.firstIndex] !== 0) throw noCertificate(batchId, index);
    },
    releaseClaim(index) {
      scoped.releaseClaim(deviceAt(index), udidAt(index), { seq, index });
    },
    blockKey(index) {
      scoped.blockKey(deviceAt(index), udidAt(index));
    },
  };
}

function noCertificate(batchId: BatchId, index: number): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no certificate ${batchId}/${String(index)}`);
}
