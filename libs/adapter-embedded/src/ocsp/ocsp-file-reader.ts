import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CertmillError, type BatchId } from '@certmill/domain';
import type { OcspResponder, OcspResponsePair } from '@certmill/ports';
import { bytesIn, numberIn, textIn } from '../store/rows.js';
import { pairsOfOne } from './ocsp-tables.js';

/** In force at a time are two of each issuer at most. */
const maxResponders = 4_096;

/** What answers need of a file of pre-signed responses, by one statement each. */
export class OcspFileReader {
  readonly #findPair: StatementSync;
  readonly #getResponder: StatementSync;
  readonly #responders = new Map<string, OcspResponder>();

  constructor(db: DatabaseSync) {
    this.#findPair = db.prepare(
      `SELECT first_index, count, issuer, responder, this_update_ms, next_update_ms,
         (SELECT packed FROM pairs
          WHERE pairs.id = responses.id * ${String(pairsOfOne)} + ?1 - first_index) AS packed
       FROM responses WHERE batch_id = ?2 AND first_index <= ?1
       ORDER BY first_index DESC LIMIT 1`,
    );
    this.#getResponder = db.prepare('SELECT * FROM responders WHERE id = ?');
  }

  findPair(batchId: BatchId, index: number): OcspResponsePair | undefined {
    const row = this.#findPair.get(index, batchId);
    if (row === undefined || row['packed'] === null) return undefined;
    if (index >= numberIn(row, 'first_index') + numberIn(row, 'count')) return undefined;
    return {
      issuer: textIn(row, 'issuer'),
      responder: textIn(row, 'responder'),
      thisUpdateMs: numberIn(row, 'this_update_ms'),
      nextUpdateMs: numberIn(row, 'next_update_ms'),
      packed: bytesIn(row, 'packed'),
    };
  }

  /** Kept once read, for it never changes. */
  getResponder(id: string): OcspResponder | undefined {
    const known = this.#responders.get(id) ?? this.#readResponder(id);
    if (this.#responders.size >= maxResponders) this.#responders.clear();
    if (known !== undefined) this.#responders.set(id, known);
    return known;
  }

  #readResponder(id: string): OcspResponder | undefined {
    const row = this.#getResponder.get(id);
    return (
      row && {
        id,
        issuer: textIn(row, 'issuer'),
        certificateDer: bytesIn(row, 'certificate'),
        notAfterMs: numberIn(row, 'not_after_ms'),
      }
    );
  }
}

/**
 * Of a file that this process has open as an `OcspFile`, for another of its threads. What is put is read
 * from its commit on. Faults: FAULT_STORE_CORRUPT.
 */
export function openOcspFileReader(path: string): OcspFileReader {
  try {
    return new OcspFileReader(new DatabaseSync(path, { readOnly: true }));
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} cannot be read`, { cause });
  }
}
