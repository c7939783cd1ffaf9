import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CertmillError, type BatchId } from '@certmill/domain';
import type { OcspResponder, OcspResponses, OcspStore, Stoppable } from '@certmill/ports';
import { bytesIn, numberIn, textIn, type Row } from '../store/rows.js';

/** It is made again from segments and statuses, so another format is thrown away. */
const formatVersion = 2;

const tables = `
CREATE TABLE responses (
  batch_id TEXT NOT NULL, first_index INTEGER NOT NULL, count INTEGER NOT NULL,
  tenant TEXT NOT NULL, chunk_number INTEGER NOT NULL, issuer TEXT NOT NULL,
  responder TEXT NOT NULL, produced_at_ms INTEGER NOT NULL, this_update_ms INTEGER NOT NULL,
  next_update_ms INTEGER NOT NULL, digest TEXT NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (batch_id, first_index)
) STRICT;
CREATE INDEX responses_ending ON responses (next_update_ms);
CREATE TABLE responders (
  id TEXT PRIMARY KEY, issuer TEXT NOT NULL, certificate BLOB NOT NULL,
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

/**
 * Pre-signed responses in a file of their own beside the store: it is no part of what a backup has to
 * hold, and is written without waiting for the disk, for what is lost is signed again.
 */
export class OcspFile implements OcspStore, Stoppable {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #find: StatementSync;

  constructor(path: string) {
    this.#db = opened(path);
    this.#insert = this.#db.prepare(
      `INSERT INTO responses (count, issuer, responder, produced_at_ms, this_update_ms,
         next_update_ms, digest, packed, batch_id, first_index, tenant, chunk_number)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#replace = this.#db.prepare(
      `UPDATE responses SET count = ?, issuer = ?, responder = ?, produced_at_ms = ?,
         this_update_ms = ?, next_update_ms = ?, digest = ?, packed = ?
       WHERE batch_id = ? AND first_index = ? AND produced_at_ms = ?`,
    );
    this.#find = this.#db.prepare(
      `SELECT * FROM responses WHERE batch_id = ? AND first_index <= ?
       ORDER BY first_index DESC LIMIT 1`,
    );
  }

  putResponses(given: OcspResponses, replaces: number | undefined): Promise<boolean> {
    return this.#run(() => {
      const { batchId, firstIndex, count, tenant, chunkNumber, issuer, responder } = given;
      const { producedAtMs, thisUpdateMs, nextUpdateMs, digest, packed } = given;
      const told = [count, issuer, responder, producedAtMs, thisUpdateMs, nextUpdateMs, digest];
      const values = [...told, packed, batchId, firstIndex];
      if (replaces === undefined) {
        return this.#insert.run(...values, tenant, chunkNumber).changes === 1;
      }
      return producedAtMs > replaces && this.#replace.run(...values, replaces).changes === 1;
    });
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

  findResponses(batchId: BatchId, index: number): Promise<OcspResponses | undefined> {
    return this.#run(() => {
      const row = this.#find.get(batchId, index);
      const found = row && responsesOf(row);
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

  forgetResponses(endedBeforeMs: number): Promise<number> {
    return this.#run(() =>
      Number(
        this.#db.prepare('DELETE FROM responses WHERE next_update_ms < ?').run(endedBeforeMs)
          .changes,
      ),
    );
  }

  putResponder({ id, issuer, certificateDer, notAfterMs }: OcspResponder): Promise<void> {
    return this.#run(() => {
      this.#db
        .prepare('INSERT INTO responders VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
        .run(id, issuer, certificateDer, notAfterMs);
    });
  }

  getResponder(id: string): Promise<OcspResponder | undefined> {
    return this.#run(() => {
      const row = this.#db.prepare('SELECT * FROM responders WHERE id = ?').get(id);
      return (
        row && {
          id,
          issuer: textIn(row, 'issuer'),
          certificateDer: bytesIn(row, 'certificate'),
          notAfterMs: numberIn(row, 'not_after_ms'),
        }
      );
    });
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
    if (version === formatVersion) return db;
    db.exec('BEGIN IMMEDIATE; DROP TABLE IF EXISTS responses; DROP TABLE IF EXISTS responders');
    db.exec(tables);
    db.exec(`PRAGMA user_version = ${String(formatVersion)}; COMMIT`);
    return db;
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} cannot be opened`, { cause });
  }
}

function responsesOf(row: Row): OcspResponses {
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
    packed: bytesIn(row, 'packed'),
  };
}
