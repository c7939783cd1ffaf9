import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  CertmillError,
  chainAuditEntry,
  type AuditEntry,
  type ChainedAuditEntry,
} from '@certmill/domain';
import { numberIn, optionalTextIn, present, textIn, type Row } from './rows.js';

/** The audit trail: appended to, never changed. */
export class AuditTable {
  readonly #last: StatementSync;
  readonly #insert: StatementSync;
  readonly #list: StatementSync;

  constructor(db: DatabaseSync) {
    this.#last = db.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1');
    this.#insert = db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#list = db.prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?');
  }

  append(entry: AuditEntry): ChainedAuditEntry {
    const last = this.#last.get();
    const previous = last && { sequence: numberIn(last, 'sequence'), hash: textIn(last, 'hash') };
    const chained = chainAuditEntry(entry, previous);
    this.#insert.run(
      chained.sequence,
      chained.atMs,
      chained.tenant ?? null,
      chained.actor,
      chained.action,
      JSON.stringify(chained.detail),
      chained.hash,
    );
    return chained;
  }

  list(after: number, limit: number): ChainedAuditEntry[] {
    return this.#list.all(after, limit).map(entryOf);
  }
}

function entryOf(row: Row): ChainedAuditEntry {
  return {
    sequence: numberIn(row, 'sequence'),
    atMs: numberIn(row, 'at_ms'),
    ...present('tenant', optionalTextIn(row, 'tenant')),
    actor: textIn(row, 'actor'),
    action: textIn(row, 'action'),
    detail: detailOf(textIn(row, 'detail')),
    hash: textIn(row, 'hash'),
  };
}

function detailOf(text: string): ChainedAuditEntry['detail'] {
  try {
    return JSON.parse(text) as ChainedAuditEntry['detail'];
  } catch (cause) {
    const message = 'the detail of an audit entry is damaged';
    throw new CertmillError('FAULT_AUDIT_BROKEN', message, { cause });
  }
}
