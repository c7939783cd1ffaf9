import type { DatabaseSync } from 'node:sqlite';
import { CertmillError } from '@certmill/domain';
import type { Job } from '@certmill/ports';
import { numberIn, textIn, type Row } from './rows.js';

export interface DueJob {
  readonly job: Job;
  /** Runs so far that failed. */
  readonly failures: number;
}

export interface DueJobs {
  readonly due: readonly DueJob[];
  /** When the next of those that are not due yet is, absent where there is none. */
  readonly nextAtMs?: number;
}

/** Between two runs of a job that fails. */
export const longestPauseMs = 10 * 60_000;

/** Timed and retried work. A job that runs is still `waiting`: after a crash it runs again. */
export class JobTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  addJob(queue: string, job: Job, nowMs: number): void {
    this.#db
      .prepare(
        `INSERT INTO jobs (queue, id, data, run_at_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET data = excluded.data, run_at_ms = excluded.run_at_ms,
           attempts = 0, state = 'waiting'
         WHERE state = 'failed' OR run_at_ms > excluded.run_at_ms + ?`,
      )
      .run(queue, job.id, JSON.stringify(job.data), job.runAtMs ?? nowMs, longestPauseMs);
  }

  /** The oldest jobs that are due and not in hand. */
  dueJobs(queue: string, nowMs: number, limit: number, inHand: readonly string[]): DueJobs {
    const taken = new Set(inHand);
    const rows = this.#db
      .prepare(
        `SELECT * FROM jobs WHERE queue = ? AND state = 'waiting'
         ORDER BY run_at_ms, id LIMIT ?`,
      )
      .all(queue, limit + taken.size + 1)
      .filter((row) => !taken.has(textIn(row, 'id')));
    const due = rows.filter((row) => numberIn(row, 'run_at_ms') <= nowMs).slice(0, limit);
    const next = rows.find((row) => numberIn(row, 'run_at_ms') > nowMs);
    return {
      due: due.map(dueJobOf),
      ...(next === undefined ? {} : { nextAtMs: numberIn(next, 'run_at_ms') }),
    };
  }

  finishJob(queue: string, id: string): void {
    this.#db.prepare('DELETE FROM jobs WHERE queue = ? AND id = ?').run(queue, id);
  }

  /** A run wants another one, which is none after a failure. */
  postponeJob(queue: string, id: string, runAtMs: number): void {
    this.#db
      .prepare('UPDATE jobs SET attempts = 0, run_at_ms = ? WHERE queue = ? AND id = ?')
      .run(runAtMs, queue, id);
  }

  /** A run failed; without a time for the next one, the job has failed for good. */
  failJob(queue: string, id: string, retryAtMs: number | undefined): void {
    this.#db
      .prepare(
        `UPDATE jobs SET attempts = attempts + 1, state = ?, run_at_ms = coalesce(?, run_at_ms)
         WHERE queue = ? AND id = ?`,
      )
      .run(retryAtMs === undefined ? 'failed' : 'waiting', retryAtMs ?? null, queue, id);
  }

  countJobs(queue: string, state: 'waiting' | 'failed'): number {
    const row = this.#db
      .prepare('SELECT count(*) AS jobs FROM jobs WHERE queue = ? AND state = ?')
      .get(queue, state);
    return numberIn(row ?? {}, 'jobs');
  }
}

function dueJobOf(row: Row): DueJob {
  return {
    job: {
      id: textIn(row, 'id'),
      data: jobData(JSON.parse(textIn(row, 'data'))),
      runAtMs: numberIn(row, 'run_at_ms'),
    },
    failures: numberIn(row, 'attempts'),
  };
}

function jobData(data: unknown): Job['data'] {
  if (typeof data === 'object' && data !== null) return data as Job['data'];
  throw new CertmillError('FAULT_STORE_CORRUPT', 'the data of a job is damaged');
}
