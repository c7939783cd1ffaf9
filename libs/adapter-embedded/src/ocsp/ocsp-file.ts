import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { CertmillError, type BatchId } from '@certmill/domain';
import type {
  OcspResponder,
  OcspResponses,
  OcspResponsesHead,
  OcspResponsePair,
  OcspStore,
  Stoppable,
} from '@certmill/ports';
import { numberIn, textIn, type Row } from '../store/rows.js';
import { OcspFileReader } from './ocsp-file-reader.js';
import { ocspFileVersion, ocspTables, pairsOfOne } from './ocsp-tables.js';

/** Up to 256 pairs each: forgetting them keeps the thread for some 10 ms. */
const chunksForgottenAtOnce = 8;

/**
 * Pre-signed responses in a file of their own beside the store: it is no part of what a backup has to
 * hold, and is written without waiting for the disk: what is lost before `settle` is signed again.
 */
export class OcspFile implements OcspStore, Stoppable {
  readonly #db: DatabaseSync;
  readonly #reader: OcspFileReader;
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #find: StatementSync;
  readonly #putPair: StatementSync;
  readonly #removePairs: StatementSync;
  readonly #forget: StatementSync;

  constructor(path: string) {
    this.#db = opened(path);
    this.#reader = new OcspFileReader(this.#db);
    this.#insert = this.#db.prepare(
      `INSERT INTO responses (count, issuer, responder, produced_at_ms, this_update_ms,
         next_update_ms, digest, batch_id, first_index, tenant, chunk_number)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id`,
    );
    this.#replace = this.#db.prepare(
      `UPDATE responses SET count = ?, issuer = ?, responder = ?, produced_at_ms = ?,
         this_update_ms = ?, next_update_ms = ?, digest = ?
       WHERE batch_id = ? AND first_index = ? AND produced_at_ms = ? RETURNING id`,
    );
    this.#find = this.#db.prepare(
      `SELECT * FROM responses WHERE batch_id = ? AND first_index <= ?
       ORDER BY first_index DESC LIMIT 1`,
    );
    this.#putPair = this.#db.prepare('INSERT INTO pairs VALUES (?, ?)');
    this.#removePairs = this.#db.prepare('DELETE FROM pairs WHERE id >= ? AND id < ?');
    this.#forget = this.#db.prepare(
      `DELETE FROM responses WHERE id IN (
         SELECT id FROM responses WHERE next_update_ms < ? ORDER BY next_update_ms LIMIT ?)`,
    );
  }

  putResponses(given: OcspResponses, replaces: number | undefined): Promise<boolean> {
    return this.#run(() => {
      if (replaces !== undefined && given.producedAtMs <= replaces) return false;
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const isPut = this.#put(given, replaces);
        this.#db.exec('COMMIT');
        return isPut;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #put(given: OcspResponses, replaces: number | undefined): boolean {
    const { batchId, firstIndex, count, tenant, chunkNumber, issuer, responder } = given;
    const { producedAtMs, thisUpdateMs, nextUpdateMs, digest, pairs } = given;
    const told = [count, issuer, responder, producedAtMs, thisUpdateMs, nextUpdateMs, digest];
    const row =
      replaces === undefined
        ? this.#insert.get(...told, batchId, firstIndex, tenant, chunkNumber)
        : this.#replace.get(...told, batchId, firstIndex, replaces);
    if (row === undefined) return false;
    const firstId = numberIn(row, 'id') * pairsOfOne;
    this.#removePairs.run(firstId, firstId + pairsOfOne);
    pairs.forEach((packed, place) => {
      if (packed !== undefined) this.#putPair.run(firstId + place, packed);
    });
    return true;
  }

  removeResponses(batchId: BatchId, firstIndex: number, producedAtMs: number): Promise<boolean> {
    return this.#run(() => {
      const remove = this.#db.prepare(
        'DELETE FROM responses WHERE batch_id = ? AND first_index = ? AND produced_at_ms = ?',
      );
      return remove.run(batchId, firstIndex, producedAtMs).changes === 1;
    });
  }

  listFirstIndexes(batchId: BatchId): Promise<readonly number[]> {
    return this.#run(() =>
      this.#db
        .prepare('SELECT first_index FROM responses WHERE batch_id = ? ORDER BY first_index')
        .all(batchId)
        .map((row) => numberIn(row, 'first_index')),
    );
  }

  findPair(batchId: BatchId, index: number): Promise<OcspResponsePair | undefined> {
    return this.#run(() => this.#reader.findPair(batchId, index));
  }

  findResponses(batchId: BatchId, index: number): Promise<OcspResponsesHead | undefined> {
    return this.#run(() => {
      const row = this.#find.get(batchId, index);
      const found = row && headOf(row);
      return found !== undefined && index < found.firstIndex + found.count ? found : undefined;
    });
  }

  listEndingResponses(
    beforeMs: number,
    { issuers, limit }: Parameters<OcspStore['listEndingResponses']>[1],
  ): ReturnType<OcspStore['listEndingResponses']> {
    return this.#run(() =>
      this.#db
        .prepare(
          `SELECT tenant, batch_id, chunk_number, next_update_ms FROM responses
           WHERE next_update_ms < ? AND issuer IN (SELECT value FROM json_each(?))
           ORDER BY next_update_ms LIMIT ?`,
        )
        .all(beforeMs, JSON.stringify(issuers), limit)
        .map((row) => ({
          tenant: textIn(row, 'tenant'),
          batchId: textIn(row, 'batch_id'),
          chunkNumber: numberIn(row, 'chunk_number'),
          nextUpdateMs: numberIn(row, 'next_update_ms'),
        })),
    );
  }

  /** A few chunks at a time: the thread that answers may be this one. */
  async forgetResponses(endedBeforeMs: number): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const { changes } = await this.#run(() =>
        this.#forget.run(endedBeforeMs, chunksForgottenAtOnce),
      );
      forgotten += Number(changes);
      if (changes < chunksForgottenAtOnce) return forgotten;
      await turn();
    }
  }

  /** Writes the log into the file: SQLite syncs both for that, which it does for no single COMMIT here. */
  settle(): Promise<void> {
    return this.#run(() => {
      const row = this.#db.prepare('PRAGMA wal_checkpoint(FULL)').get() ?? {};
      if (numberIn(row, 'busy') === 0) return;
      throw new CertmillError('FAULT_STORE_DOWN', 'the file of OCSP responses is busy');
    });
  }

  /** What lies here of other issuers is in time for nobody any more: nothing keeps it true. */
  withdrawOthers(issuers: readonly string[]): Promise<void> {
    return this.#run(() => {
      this.#db
        .prepare(
          `UPDATE responses SET next_update_ms = this_update_ms
           WHERE next_update_ms > this_update_ms
             AND issuer NOT IN (SELECT value FROM json_each(?))`,
        )
        .run(JSON.stringify(issuers));
    });
  }

  putResponder({ id, issuer, certificateDer, notAfterMs }: OcspResponder): Promise<void> {
    return this.#run(() => {
      this.#db
        .prepare('INSERT INTO responders VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
        .run(id, issuer, certificateDer, notAfterMs);
    });
  }

  getResponder(id: string): Promise<OcspResponder | undefined> {
    return this.#run(() => this.#reader.getResponder(id));
  }

  stop(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
    return Promise.resolve();
  }

  #run<T>(call: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        resolve(call());
      } catch (cause) {
        const message = 'the file of OCSP responses cannot be used';
        reject(new CertmillError('FAULT_STORE_DOWN', message, { cause }));
      }
    });
  }
}

function opened(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
    const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
    if (version === ocspFileVersion) return db;
    db.exec('BEGIN IMMEDIATE');
    for (const table of ['responses', 'pairs', 'responders']) {
      db.exec(`DROP TABLE IF EXISTS ${table}`);
    }
    db.exec(ocspTables);
    db.exec(`PRAGMA user_version = ${String(ocspFileVersion)}; COMMIT`);
    return db;
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} cannot be opened`, { cause });
  }
}

function headOf(row: Row): OcspResponsesHead {
  return {
    tenant: textIn(row, 'tenant'),
    batchId: textIn(row, 'batch_id'),
    chunkNumber: numberIn(row, 'chunk_number'),
    firstIndex: numberIn(row, 'first_index'),
    count: numberIn(row, 'count'),
    issuer: textIn(row, 'issuer'),
    responder: textIn(row, 'responder'),
    producedAtMs: numberIn(row, 'produced_at_ms'),
    thisUpdateMs: numberIn(row, 'this_update_ms'),
    nextUpdateMs: numberIn(row, 'next_update_ms'),
    digest: textIn(row, 'digest'),
  };
}
