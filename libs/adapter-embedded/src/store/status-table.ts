import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  crlReasonOf,
  crlReasons,
  type CertificateStatus,
  type RevocationReason,
} from '@certmill/domain';
import type { BatchKey } from './batch-table.js';
import { numberIn, optionalNumberIn, present, textIn, type Row } from './rows.js';

/** Statuses of single certificates: those that were ever revoked or held have a row. */
export class StatusTable {
  readonly #get: StatementSync;
  readonly #range: StatementSync;
  readonly #put: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare('SELECT * FROM statuses WHERE batch_seq = ? AND request_index = ?');
    this.#range = db.prepare(
      'SELECT * FROM statuses WHERE batch_seq = ? AND request_index >= ? AND request_index < ?',
    );
    this.#put = db.prepare('INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?, ?, ?)');
  }

  get(batch: BatchKey, index: number): CertificateStatus {
    const row = this.#get.get(batch.seq, index);
    return row === undefined ? { state: 'good' } : statusIn(row);
  }

  list(batch: BatchKey, firstIndex: number, count: number): Map<number, CertificateStatus> {
    const rows = this.#range.all(batch.seq, firstIndex, firstIndex + count);
    return new Map(rows.map((row) => [numberIn(row, 'request_index'), statusIn(row)]));
  }

  put(batch: BatchKey, index: number, status: CertificateStatus): void {
    const isRevoked = status.state === 'revoked';
    this.#put.run(
      batch.seq,
      index,
      isRevoked ? 'revoked' : 'released',
      isRevoked ? crlReasons[status.reason] : null,
      (isRevoked ? status.atMs : status.releasedAtMs) ?? null,
      (isRevoked ? status.invalidityDateMs : undefined) ?? null,
    );
  }
}

export function statusIn(row: Row): CertificateStatus {
  const atMs = optionalNumberIn(row, 'at_ms');
  if (textIn(row, 'state') !== 'revoked')
    return { state: 'good', ...present('releasedAtMs', atMs) };
  return {
    state: 'revoked',
    reason: revocationReasonOf(optionalNumberIn(row, 'reason')),
    atMs: atMs ?? 0,
    ...present('invalidityDateMs', optionalNumberIn(row, 'invalidity_date_ms')),
  };
}

function revocationReasonOf(number: number | undefined): RevocationReason {
  const reason = number === undefined ? undefined : crlReasonOf(number);
  return reason === undefined || reason === 'removeFromCRL' ? 'unspecified' : reason;
}
