import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CertmillError } from '@certmill/domain';
import type {
  PackedRunsOptions,
  PageCache,
  RunChange,
  RunWriter,
  SortedRuns,
} from '@certmill/packed';

/** Key (16 octets) and value (two halves of 4, little-endian) of an entry in a journal row. */
const keyBytes = 16;
const entryBytes = 24;

export interface JournaledRunsOptions {
  readonly db: DatabaseSync;
  /** `claims` or `index`: names the journal table and the run list. */
  readonly name: 'claims' | 'index';
  readonly directory: string;
  readonly writer: RunWriter;
  readonly pageCache: PageCache;
}

export interface JournalMark {
  readonly entries: number;
  readonly journalBytes: number;
}

interface PuttableRuns extends SortedRuns {
  put(keys: Uint8Array, offset: number, high: number, low: number): void;
}

/**
 * A packed map whose entries are part of the store's transactions: what was put is journaled as one
 * row before each COMMIT, and the rows that a flush made superfluous are deleted with the recording
 * of its run. Opening it puts the rows again that no run holds yet.
 */
export class JournaledRuns<Runs extends PuttableRuns> {
  readonly runs: Runs;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #record: StatementSync;
  readonly #forget: StatementSync;
  #journal = Buffer.allocUnsafe(256 * 1024);
  #journalBytes = 0;
  /** Of the last journal row that is committed. */
  #position: number;
  #writtenPosition = 0;

  private constructor(options: JournaledRunsOptions, open: (options: PackedRunsOptions) => Runs) {
    const { db, name } = options;
    this.#db = db;
    this.#insert = db.prepare(`INSERT INTO ${name}_journal (entries) VALUES (?)`);
    this.#record = db.prepare(
      `INSERT INTO run_lists VALUES ('${name}', ?, ?)
       ON CONFLICT DO UPDATE SET names = excluded.names, position = max(position, excluded.position)`,
    );
    this.#forget = db.prepare(`DELETE FROM ${name}_journal WHERE seq <= ?`);
    const list = db.prepare(`SELECT names, position FROM run_lists WHERE map = '${name}'`).get();
    this.runs = open({ ...options, runs: list === undefined ? [] : namesOf(list['names']) });
    this.#position = Number(list?.['position'] ?? 0);
  }

  /** Opens the runs on the list and puts what is newer again. Faults: as SortedRuns. */
  static async open<Runs extends PuttableRuns>(
    options: JournaledRunsOptions,
    open: (options: PackedRunsOptions) => Runs,
  ): Promise<JournaledRuns<Runs>> {
    const opened = new JournaledRuns(options, open);
    await opened.#replay(options.name);
    return opened;
  }

  put(keys: Uint8Array, offset: number, high: number, low: number): void {
    this.runs.put(keys, offset, high, low);
    if (this.#journalBytes + entryBytes > this.#journal.length) {
      this.#journal = Buffer.concat([this.#journal], this.#journal.length * 2);
    }
    const journal = this.#journal;
    const at = this.#journalBytes;
    journal.set(keys.subarray(offset, offset + keyBytes), at);
    journal.writeUInt32LE(high, at + keyBytes);
    journal.writeUInt32LE(low, at + keyBytes + 4);
    this.#journalBytes += entryBytes;
  }

  mark(): JournalMark {
    return { entries: this.runs.mark(), journalBytes: this.#journalBytes };
  }

  /** Undoes the puts since the mark; for a call that failed within its transaction. */
  rollback(mark: JournalMark): void {
    this.runs.rollback(mark.entries);
    this.#journalBytes = mark.journalBytes;
  }

  /** The last statement of a transaction. */
  writeJournal(): void {
    if (this.#journalBytes === 0) return;
    const { lastInsertRowid } = this.#insert.run(this.#journal.subarray(0, this.#journalBytes));
    this.#writtenPosition = Number(lastInsertRowid);
  }

  /** Returns the octets that were journaled. */
  committed(): number {
    const bytes = this.#journalBytes;
    if (bytes > 0) this.#position = this.#writtenPosition;
    this.#journalBytes = 0;
    return bytes;
  }

  /** Starts what is due, between transactions; the changes are to be given to `adopt`. */
  startDue(): Promise<RunChange | undefined>[] {
    const { runs } = this;
    return [
      ...(runs.flushDue ? [runs.flush(this.#position)] : []),
      ...(runs.mergeDue ? [runs.merge()] : []),
    ];
  }

  /** Records a finished run and uses it. Between transactions; nothing changes when it throws. */
  adopt(change: RunChange): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#record.run(JSON.stringify(this.runs.runsAfter(change)), change.position ?? 0);
      if (change.position !== undefined) this.#forget.run(change.position);
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.runs.discard(change);
      throw error;
    }
    this.runs.adopt(change);
  }

  async #replay(name: string): Promise<void> {
    const next = this.#db.prepare(
      `SELECT seq, entries FROM ${name}_journal WHERE seq > ? ORDER BY seq LIMIT 1`,
    );
    for (;;) {
      const row = next.get(this.#position);
      if (row === undefined) return;
      this.#putAgain(row['entries']);
      this.#position = Number(row['seq']);
      // A tail that no flush could shorten may be more than memory takes.
      if (this.runs.flushDue) this.adopt(await this.runs.flush(this.#position));
    }
  }

  #putAgain(entries: unknown): void {
    if (!(entries instanceof Uint8Array) || entries.length % entryBytes !== 0) {
      throw corruptJournal();
    }
    const view = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
    for (let at = 0; at < view.length; at += entryBytes) {
      const high = view.readUInt32LE(at + keyBytes);
      this.runs.put(view, at, high, view.readUInt32LE(at + keyBytes + 4));
    }
  }
}

function namesOf(stored: unknown): string[] {
  const names: unknown = typeof stored === 'string' ? JSON.parse(stored) : undefined;
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw corruptJournal();
}

function corruptJournal(): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', 'the journal of the packed runs is damaged');
}
