import { Counter, Gauge, type Registry } from 'prom-client';

/** The journals of decisions (ADR 0012), as their observer tells of them. */
export class JournalMetrics {
  readonly #conflicts: Counter<'shard'>;
  readonly #tails: Gauge<'shard'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#conflicts = new Counter({
      name: 'certmill_journal_conflicts_total',
      help: 'Entries that another process was first with: what was judged is judged again.',
      labelNames: ['shard'],
      registers,
    });
    this.#tails = new Gauge({
      name: 'certmill_journal_tail_entries',
      help: 'Entries behind the last snapshot, which a process that begins has to read.',
      labelNames: ['shard'],
      registers,
    });
  }

  conflict(shard: number): void {
    this.#conflicts.inc({ shard });
  }

  tail(shard: number, entries: number): void {
    this.#tails.set({ shard }, entries);
  }
}
