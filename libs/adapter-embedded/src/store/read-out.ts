import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import {
  type Batch,
  type CertificateStatus,
  type ChunkRef,
  type MassOperation,
  type Order,
  type OrderId,
} from '@certmill/domain';
import { decodeIssuedChunk, decodeVerdict } from '@certmill/events';
import { udidIdAt } from '@certmill/packed';
import type { ChunkRegistration, CrlScope, DeadLetter, RevokedCertificate } from '@certmill/ports';
import { batchOf, type BatchKey } from './batch-table.js';
import { recordOf, registrationOf, type ChunkRecord } from './chunk-table.js';
import { operationOf } from './mass-operation-table.js';
import type { StoreCore } from './open-core.js';
import { orderOf } from './order-table.js';
import { numberIn, present, textIn, type Row } from './rows.js';
import { statusIn } from './status-table.js';
import { rowColumns, storedReasonOf, storedRowOf } from './stored-row.js';

/** What a store holds, by number, and a digest that tells whether it has changed since. */
export interface StoreSurvey {
  readonly counts: Readonly<Record<SurveyedCount, number>>;
  /** SHA-256, hex, over everything but certificates and verdicts, which are told by place and length. */
  readonly digest: string;
}

export const surveyedCounts = [
  'tenants',
  'credentials',
  'profiles',
  'orders',
  'allowLists',
  'batches',
  'chunks',
  'endedChunks',
  'verdicts',
  'deadLetters',
  'chunksInFlight',
  'unfinishedUploads',
  'statuses',
  'revocations',
  'auditEntries',
  'massOperations',
  'issued',
  'rejected',
  'cancelled',
] as const;
export type SurveyedCount = (typeof surveyedCounts)[number];

const countsSql: Readonly<Record<SurveyedCount, string>> = {
  tenants: 'SELECT count(*) AS n FROM tenants',
  credentials: 'SELECT count(*) AS n FROM credentials',
  profiles: 'SELECT count(*) AS n FROM profiles',
  orders: 'SELECT count(*) AS n FROM orders',
  allowLists: 'SELECT count(*) AS n FROM orders WHERE allow_list_id IS NOT NULL',
  batches: 'SELECT count(*) AS n FROM batches',
  chunks: 'SELECT count(*) AS n FROM chunks',
  endedChunks: 'SELECT count(*) AS n FROM chunks WHERE segment_file IS NOT NULL',
  verdicts: 'SELECT count(*) AS n FROM verdicts',
  deadLetters: `SELECT count(*) AS n FROM chunks
    WHERE segment_file IS NULL AND dead_letter_cause IS NOT NULL`,
  chunksInFlight: `SELECT count(*) AS n FROM chunks
    WHERE confirmed = 1 AND segment_file IS NULL AND dead_letter_cause IS NULL`,
  unfinishedUploads: `SELECT count(*) AS n FROM batches
    WHERE total IS NULL AND cancelled_at_ms IS NULL AND broken_off_at_ms IS NULL`,
  statuses: 'SELECT count(*) AS n FROM statuses',
  revocations: 'SELECT count(*) AS n FROM revocations',
  auditEntries: 'SELECT count(*) AS n FROM audit',
  massOperations: 'SELECT count(*) AS n FROM mass_operations',
  issued: 'SELECT coalesce(sum(issued), 0) AS n FROM batches',
  rejected: 'SELECT coalesce(sum(rejected), 0) AS n FROM batches',
  cancelled: 'SELECT coalesce(sum(cancelled), 0) AS n FROM batches',
};

/** In an order that the content alone gives. */
const contentSql = [
  'SELECT * FROM meta ORDER BY name',
  'SELECT * FROM tenants ORDER BY tenant',
  'SELECT * FROM credentials ORDER BY key_hash',
  'SELECT * FROM profiles ORDER BY tenant, name, version',
  'SELECT * FROM orders ORDER BY seq',
  'SELECT * FROM batches ORDER BY seq',
  'SELECT * FROM chunks ORDER BY batch_seq, chunk_number',
  'SELECT * FROM dead_letters ORDER BY batch_seq, chunk_number',
  'SELECT batch_seq, chunk_number, length(verdict) FROM verdicts ORDER BY batch_seq, chunk_number',
  'SELECT * FROM statuses ORDER BY batch_seq, request_index',
  'SELECT * FROM crl_scopes ORDER BY seq',
  'SELECT * FROM revocations ORDER BY scope_seq, serial_number',
  'SELECT * FROM audit ORDER BY sequence',
  'SELECT * FROM mass_operations ORDER BY seq',
  'SELECT * FROM frozen_pages ORDER BY tenant, freeze_id, page',
  'SELECT * FROM mass_outcomes ORDER BY tenant, operation_id, batch, chunk_number',
];

/** Where a chunk is among those of the store; 0 and -1 are before the first. */
export interface ChunkPlace {
  readonly batchSeq: number;
  readonly chunkNumber: number;
}

export interface ReadOrder {
  readonly seq: number;
  readonly order: Order;
  readonly reserved: number;
}

export interface ReadBatch {
  readonly seq: number;
  readonly batch: Batch;
}

export interface ReadChunk {
  readonly registration: ChunkRegistration;
  readonly isConfirmed: boolean;
  /** Where it has ended. */
  readonly segment?: Uint8Array;
  /** Where it is one. */
  readonly deadLetter?: DeadLetter;
}

/** A verdict with what became of its claims. */
export interface ReadDecision {
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  readonly firstIndex: number;
  readonly verdict: Uint8Array;
  /** It took over claims of its devices (`Order.renews`). */
  readonly renews: boolean;
  /** All that it accepted was given back: the chunk ended unsigned. */
  readonly isGivenBack: boolean;
  /** Positions of certificates that are not their device's live one, and never are again. */
  readonly released: readonly number[];
  /** Positions of requests whose keys nobody is issued certificates for any more. */
  readonly blocked: readonly number[];
  /** Chunks whose decision came before, as far as devices and keys tell. */
  readonly before: readonly ChunkPlace[];
}

export interface ReadStatus {
  readonly batchSeq: number;
  readonly chunk: Pick<ChunkRef, 'tenant' | 'batchId'>;
  readonly index: number;
  readonly status: CertificateStatus;
}

export interface ReadMassOperation {
  readonly seq: number;
  readonly operation: MassOperation;
}

/** Where a row is among those of all scopes. */
export interface RevocationPlace {
  readonly scopeSeq: number;
  readonly serialNumber: Uint8Array;
}

/** A row of a scope: `change` is the scope's count of changes at its last one. */
export interface ReadRevocation extends RevokedCertificate {
  readonly place: RevocationPlace;
  readonly scope: CrlScope;
  readonly change: number;
}

/** Everything of a store in the order in which it was made, for whoever carries it elsewhere. */
export function readOutOperations(core: StoreCore) {
  const { batches, chunks, db, deadLetters, orders, segments } = core;

  const chunkRow = db.prepare('SELECT * FROM chunks WHERE batch_seq = ? AND chunk_number = ?');
  const readChunk = (batch: BatchKey, row: Row): ReadChunk => {
    const registration = registrationOf(batch.tenant, batch.batchId, row);
    const { isConfirmed, isDeadLetter, segment } = recordOf(batch, row);
    return {
      registration,
      isConfirmed,
      ...present('segment', segment && segments.read(segment)),
      ...present('deadLetter', isDeadLetter ? deadLetters.get(registration) : undefined),
    };
  };

  return {
    survey: (): StoreSurvey => surveyOf(db),
    readOrders(afterSeq: number, limit: number): ReadOrder[] {
      const rows = db.prepare('SELECT * FROM orders WHERE seq > ? ORDER BY seq LIMIT ?');
      return rows.all(afterSeq, limit).map((row) => ({
        seq: numberIn(row, 'seq'),
        order: orderOf(row),
        reserved: numberIn(row, 'reserved'),
      }));
    },
    readBatches(afterSeq: number, limit: number): ReadBatch[] {
      const rows = db.prepare('SELECT * FROM batches WHERE seq > ? ORDER BY seq LIMIT ?');
      return rows.all(afterSeq, limit).map((row) => {
        return { seq: numberIn(row, 'seq'), batch: batchOf(row) };
      });
    },
    readChunks(batchSeq: number, afterChunk: number, limit: number): ReadChunk[] {
      const batch = batches.keyOfSeq(batchSeq);
      if (batch === undefined) return [];
      const rows = db.prepare(
        `SELECT * FROM chunks WHERE batch_seq = ? AND chunk_number > ?
         ORDER BY chunk_number LIMIT ?`,
      );
      return rows.all(batchSeq, afterChunk, limit).map((row) => readChunk(batch, row));
    },
    /** Places of decided chunks, in order. */
    readDecided({ batchSeq, chunkNumber }: ChunkPlace, limit: number): ChunkPlace[] {
      const rows = db.prepare(
        `SELECT batch_seq, chunk_number FROM verdicts
         WHERE (batch_seq, chunk_number) > (?, ?) ORDER BY batch_seq, chunk_number LIMIT ?`,
      );
      return rows.all(batchSeq, chunkNumber, limit).map((row) => {
        return { batchSeq: numberIn(row, 'batch_seq'), chunkNumber: numberIn(row, 'chunk_number') };
      });
    },
    readDecision({ batchSeq, chunkNumber }: ChunkPlace): ReadDecision | undefined {
      const batch = batches.keyOfSeq(batchSeq);
      const row = batch && chunkRow.get(batchSeq, chunkNumber);
      const record = row && recordOf(batch, row);
      const verdict = record && chunks.getVerdict(record);
      const order = batch && orders.getOrder(batch.tenant, batch.orderId);
      if (record === undefined || verdict === undefined || order === undefined) return undefined;
      const { tenant, batchId, orderId } = record.batch;
      const { profileName } = order;
      return {
        chunk: { tenant, batchId, chunkNumber },
        orderId,
        profileName,
        firstIndex: record.firstIndex,
        verdict,
        renews: order.renews === true,
        ...historyOf(core, record, profileName, verdict),
      };
    },
    readStatuses(afterSeq: number, afterIndex: number, limit: number): ReadStatus[] {
      const rows = db.prepare(
        `SELECT s.*, b.tenant, b.batch_id FROM statuses s JOIN batches b ON b.seq = s.batch_seq
         WHERE (s.batch_seq, s.request_index) > (?, ?)
         ORDER BY s.batch_seq, s.request_index LIMIT ?`,
      );
      return rows.all(afterSeq, afterIndex, limit).map(readStatusOf);
    },
    readRevocations(after: RevocationPlace | undefined, limit: number): ReadRevocation[] {
      const rows = db.prepare(
        `SELECT r.*, s.issuer, s.shard FROM revocations r JOIN crl_scopes s ON s.seq = r.scope_seq
         WHERE (r.scope_seq, r.serial_number) > (?, ?)
         ORDER BY r.scope_seq, r.serial_number LIMIT ?`,
      );
      const { scopeSeq = 0, serialNumber = new Uint8Array() } = after ?? {};
      return rows.all(scopeSeq, serialNumber, limit).map(readRevocationOf);
    },
    /** Those that have rows, and those that only say that they had, or have a CRL. */
    readScopes(): CrlScope[] {
      return db
        .prepare(
          `SELECT issuer, shard FROM crl_scopes UNION SELECT issuer, shard FROM crls
           ORDER BY issuer, shard`,
        )
        .all()
        .map((row) => ({ issuer: textIn(row, 'issuer'), shard: numberIn(row, 'shard') }));
    },
    readMassOperations(afterSeq: number, limit: number): ReadMassOperation[] {
      const rows = db.prepare(
        'SELECT seq, operation FROM mass_operations WHERE seq > ? ORDER BY seq LIMIT ?',
      );
      return rows.all(afterSeq, limit).map((row) => {
        return { seq: numberIn(row, 'seq'), operation: operationOf(row) };
      });
    },
  };
}

function historyOf(
  { batches, chunks, claims, segments }: StoreCore,
  record: ChunkRecord,
  profileName: string,
  verdict: Uint8Array,
): Pick<ReadDecision, 'isGivenBack' | 'released' | 'blocked' | 'before'> {
  const { codes, deviceIds, udids } = decodeVerdict(verdict);
  const { seq, tenant } = record.batch;
  const { segment } = record;
  const isGivenBack =
    segment !== undefined && decodeIssuedChunk(segments.read(segment)).endedBy !== 0;
  const column = Buffer.from(udids.buffer, udids.byteOffset, udids.byteLength);
  const released: number[] = [];
  const blocked: number[] = [];
  const before = new Map<string, ChunkPlace>();
  for (const [position, code] of codes.entries()) {
    if (code !== 0) continue;
    const request = { seq, index: record.firstIndex + position };
    const udidId = udidIdAt(column, position);
    const scope = { tenant, profileName };
    const history = claims.historyOf(scope, deviceIds[position] ?? '', udidId, request);
    if (segment !== undefined && !isGivenBack && !history.isListed) released.push(position);
    if (history.isKeyBlocked) blocked.push(position);
    for (const earlier of history.before) {
      const batch = batches.keyOfSeq(earlier.seq);
      const chunk = batch && chunks.findAt(batch, earlier.index);
      if (chunk === undefined) continue;
      const place = { batchSeq: earlier.seq, chunkNumber: chunk.chunkNumber };
      before.set(`${String(place.batchSeq)}.${String(place.chunkNumber)}`, place);
    }
  }
  before.delete(`${String(seq)}.${String(record.chunkNumber)}`);
  return { isGivenBack, released, blocked, before: [...before.values()] };
}

function surveyOf(db: DatabaseSync): StoreSurvey {
  const counts = Object.fromEntries(
    surveyedCounts.map((name) => [name, numberIn(db.prepare(countsSql[name]).get() ?? {}, 'n')]),
  ) as Record<SurveyedCount, number>;
  let digest = '';
  for (const sql of contentSql) {
    for (const row of db.prepare(sql).iterate()) digest = hash('sha256', digest + textOf(row));
  }
  return { counts, digest };
}

function textOf(row: Row): string {
  const values = Object.values(row).map((value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  );
  return JSON.stringify(values);
}

function readStatusOf(row: Row): ReadStatus {
  return {
    batchSeq: numberIn(row, 'batch_seq'),
    chunk: { tenant: textIn(row, 'tenant'), batchId: textIn(row, 'batch_id') },
    index: numberIn(row, 'request_index'),
    status: statusIn(row),
  };
}

function readRevocationOf(row: Row): ReadRevocation {
  const scope = { issuer: textIn(row, 'issuer'), shard: numberIn(row, 'shard') };
  const { reason, invalidityDateMs, ...stored } = storedRowOf(
    scope,
    rowColumns.map((column) => row[column]),
  );
  return {
    ...stored,
    place: { scopeSeq: numberIn(row, 'scope_seq'), serialNumber: stored.serialNumber },
    scope,
    reason: storedReasonOf(reason),
    ...present('invalidityDateMs', invalidityDateMs),
  };
}
