import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { diskFault } from './disk-fault.js';
import { keyWord } from './entry.js';
import type { Memtable } from './memtable.js';
import type { PageCache } from './page-cache.js';
import { openRun, openWrittenRun, type Run } from './run.js';
import { runBytes, type RunKind } from './run-format.js';
import type { RunWriter } from './run-writer.js';
import { SpareMemtables } from './spare-memtables.js';

export interface PackedRunsOptions {
  /** Holds this map's run files and nothing else; made where it is missing. */
  readonly directory: string;
  /** The names as last recorded, oldest first; run files that are not among them are removed. */
  readonly runs: readonly string[];
  readonly writer: RunWriter;
  readonly pageCache: PageCache;
  /** Shared by maps of one thread that hold little each. Default: this map's own. */
  readonly spares?: SpareMemtables;
  /** A flush is due from here on; memory holds up to four times as many. Default 131,072. */
  readonly flushEntries?: number;
  /** 0: no filter; every look-up of an absent key then reads a page per run. Default 10. */
  readonly filterBitsPerEntry?: number;
  /** Runs of one size that are merged into one of the next. Default 16. */
  readonly fanOut?: number;
  /** False where runs do not outlive the process: nothing is fsynced. Default true. */
  readonly isDurable?: boolean;
}

/** A new run that is durable but counts only once the caller has recorded the list with it. */
export interface RunChange {
  readonly kind: 'flush' | 'merge';
  readonly added: string;
  /** The neighbours in the list that `added` stands for; empty for a flush. */
  readonly removed: readonly string[];
  /** For a flush: the caller's position up to which entries are now in runs. */
  readonly position: number | undefined;
}

export interface PackedRunsStats {
  readonly entriesInMemory: number;
  readonly entriesInRuns: number;
  readonly runs: number;
  readonly runBytes: number;
  /** What grows in memory: filters and fences. */
  readonly filterBytes: number;
}

const defaultFlushEntries = 131_072;
const memtablesPerFlush = 4;
const defaultFilterBitsPerEntry = 10;
const defaultFanOut = 16;
const runName = /^\d{10}\.run$/;

interface Pending {
  readonly change: RunChange;
  readonly run: Run;
}

/**
 * A log-structured merge tree of fixed-width entries: a memtable, at most one frozen one that is
 * being written, and immutable sorted runs. It belongs to one thread and is called synchronously;
 * only sorting, writing and merging happen elsewhere.
 *
 * What is durable is the caller's: it records the list of runs and the position that they reach up
 * to in a transaction of its own, and at start puts again what came after that position.
 *
 *   put ... COMMIT; if flushDue: change = await flush(position);
 *   record runsAfter(change) and change.position; COMMIT; adopt(change)
 *
 * `runsAfter`, the COMMIT and `adopt` MUST follow each other without a pause between them.
 */
export class SortedRuns {
  readonly #kind: RunKind;
  readonly #directory: string;
  readonly #writer: RunWriter;
  readonly #flushEntries: number;
  readonly #filterBitsPerEntry: number;
  readonly #fanOut: number;
  readonly #isDurable: boolean;
  readonly #cache: PageCache;
  readonly #spares: SpareMemtables;
  #active: Memtable;
  #frozen: { readonly table: Memtable; readonly position: number } | undefined;
  #isFlushing = false;
  #isMerging = false;
  /** Entries put before those in the active memtable: marks count from the beginning of time. */
  #putBefore = 0;
  #names: readonly string[];
  /** As `#names`: oldest first. */
  #runs: readonly Run[];
  #lastNumber: number;
  readonly #pending = new Map<RunChange, Pending>();
  readonly #removals = new Set<Promise<void>>();

  /** Faults: FAULT_STORE_CORRUPT (also a listed run that is missing), FAULT_STORE_DOWN. */
  constructor(kind: RunKind, options: PackedRunsOptions) {
    this.#kind = kind;
    this.#directory = options.directory;
    this.#writer = options.writer;
    this.#cache = options.pageCache;
    this.#flushEntries = options.flushEntries ?? defaultFlushEntries;
    this.#filterBitsPerEntry = options.filterBitsPerEntry ?? defaultFilterBitsPerEntry;
    this.#fanOut = options.fanOut ?? defaultFanOut;
    this.#isDurable = options.isDurable ?? true;
    this.#spares = options.spares ?? new SpareMemtables();
    this.#active = this.#spares.take(this.#flushEntries * memtablesPerFlush);
    this.#names = [...options.runs];
    removeUnlisted(options.directory, new Set(options.runs));
    this.#runs = openAll(kind, options);
    this.#lastNumber = Math.max(0, ...options.runs.map((name) => Number.parseInt(name, 10)));
  }

  /**
   * The present place in the order of puts; give it to `rollback` when a transaction fails. It
   * holds until the next flush: flush only when every put so far is committed.
   */
  mark(): number {
    return this.#putBefore + this.#active.count;
  }

  /** Undoes every put since the mark. */
  rollback(mark: number): void {
    const count = mark - this.#putBefore;
    if (count < 0 || count > this.#active.count) {
      throw new CertmillError('CONFLICT', 'a mark does not outlive a flush or another rollback');
    }
    this.#active.cutBackTo(count);
  }

  /** Entries that a memtable holds. */
  get capacity(): number {
    return this.#active.capacity;
  }

  /** Whether `flush` should be called (after a COMMIT). */
  get flushDue(): boolean {
    return (
      !this.#isFlushing && (this.#frozen !== undefined || this.#active.count >= this.#flushEntries)
    );
  }

  /**
   * Freezes what is in memory and has it written as a run; look-ups go on as before. After a
   * failure the same entries, at their own position, are tried again by the next call.
   * @param position The caller's own: everything up to it has been put and committed.
   * Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN; CONFLICT while another flush is under way.
   */
  async flush(position: number): Promise<RunChange> {
    if (this.#isFlushing) throw new CertmillError('CONFLICT', 'a flush is under way already');
    this.#isFlushing = true;
    try {
      const frozen = (this.#frozen ??= this.#freeze(position));
      const added = this.#nextName();
      const path = join(this.#directory, added);
      const written = await this.#writer.write({
        ...this.#shape(0),
        path,
        entries: frozen.table.entries,
        count: frozen.table.count,
      });
      const run = openWrittenRun(path, written, this.#cache);
      return this.#propose({ kind: 'flush', added, removed: [], position: frozen.position }, run);
    } catch (error) {
      this.#isFlushing = false;
      throw error;
    }
  }

  /** Whether `merge` has something to do. */
  get mergeDue(): boolean {
    return !this.#isMerging && this.#mergeable() !== undefined;
  }

  /**
   * Merges the oldest runs of the smallest size that there are enough of; undefined where there are
   * none or a merge is under way. Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN, FAULT_STORE_CORRUPT.
   */
  async merge(): Promise<RunChange | undefined> {
    const range = this.#isMerging ? undefined : this.#mergeable();
    if (range === undefined) return undefined;
    this.#isMerging = true;
    try {
      const removed = this.#names.slice(range.start, range.start + this.#fanOut);
      const added = this.#nextName();
      const path = join(this.#directory, added);
      const written = await this.#writer.merge({
        ...this.#shape(range.level + 1),
        inputs: removed.map((name) => join(this.#directory, name)),
        path,
        isOldest: range.start === 0,
      });
      const run = openWrittenRun(path, written, this.#cache);
      return this.#propose({ kind: 'merge', added, removed, position: undefined }, run);
    } catch (error) {
      this.#isMerging = false;
      throw error;
    }
  }

  /** The names in force. */
  get runs(): readonly string[] {
    return this.#names;
  }

  /** The list to record so that `change` counts. */
  runsAfter(change: RunChange): readonly string[] {
    this.#pendingOf(change);
    return applyChange(this.#names, change, change.added);
  }

  /** After the list is recorded: look-ups use it, and files it no longer names are removed. */
  adopt(change: RunChange): void {
    const { run } = this.#pendingOf(change);
    const gone = this.#runs.filter((_, i) => change.removed.includes(this.#names[i] as string));
    this.#runs = applyChange(this.#runs, { ...change, removed: gone }, run);
    this.#names = applyChange(this.#names, change, change.added);
    this.#end(change);
    if (change.kind === 'flush' && this.#frozen !== undefined) {
      this.#spares.giveBack(this.#frozen.table);
      this.#frozen = undefined;
    }
    for (const one of gone) this.#remove(one);
  }

  /**
   * The list could not be recorded, as far as is known: the work is due again. The new file stays
   * until the next start, for the COMMIT that failed may have reached the disk.
   */
  discard(change: RunChange): void {
    const { run } = this.#pendingOf(change);
    this.#end(change);
    run.closeSync();
  }

  stats(): PackedRunsStats {
    const sum = (of: (run: Run) => number): number =>
      this.#runs.reduce((total, run) => total + of(run), 0);
    return {
      entriesInMemory: this.#active.count + (this.#frozen?.table.count ?? 0),
      entriesInRuns: sum((run) => run.header.count),
      runs: this.#runs.length,
      runBytes: sum((run) => runBytes(run.header)),
      filterBytes: sum((run) => run.filterBytes),
    };
  }

  /** Closes files, waits for removals; stop the writer first. Nothing may be called after. */
  async close(): Promise<void> {
    for (const run of this.#runs) run.closeSync();
    for (const { run } of this.#pending.values()) run.closeSync();
    this.#runs = [];
    this.#pending.clear();
    await Promise.all(this.#removals);
  }

  /** The memtables, newest first. */
  protected get memtables(): readonly [Memtable, Memtable | undefined] {
    return [this.#active, this.#frozen?.table];
  }

  /** Oldest first. */
  protected get openRuns(): readonly Run[] {
    return this.#runs;
  }

  protected get pageWords(): Int32Array {
    return this.#cache.words;
  }

  protected putEntry(keys: Uint8Array, offset: number, high: number, low: number): void {
    this.#active.put(
      keyWord(keys, offset, 0),
      keyWord(keys, offset, 1),
      keyWord(keys, offset, 2),
      keyWord(keys, offset, 3),
      high | 0,
      low | 0,
    );
  }

  #freeze(position: number): { readonly table: Memtable; readonly position: number } {
    const table = this.#active;
    const next = this.#spares.take(table.capacity);
    this.#putBefore += table.count;
    this.#active = next;
    return { table, position };
  }

  #shape(level: number) {
    return {
      kind: this.#kind,
      level,
      filterBitsPerEntry: this.#filterBitsPerEntry,
      isDurable: this.#isDurable,
    };
  }

  #nextName(): string {
    this.#lastNumber += 1;
    return `${String(this.#lastNumber).padStart(10, '0')}.run`;
  }

  #propose(change: RunChange, run: Run): RunChange {
    this.#pending.set(change, { change, run });
    return change;
  }

  #pendingOf(change: RunChange): Pending {
    const pending = this.#pending.get(change);
    if (pending === undefined) {
      throw new CertmillError('CONFLICT', `run ${change.added} is adopted or discarded already`);
    }
    return pending;
  }

  #end(change: RunChange): void {
    this.#pending.delete(change);
    if (change.kind === 'flush') this.#isFlushing = false;
    else this.#isMerging = false;
  }

  /** The oldest `fanOut` neighbours of the lowest level that has as many. */
  #mergeable(): { readonly start: number; readonly level: number } | undefined {
    let end = this.#runs.length;
    while (end > 0) {
      const { level } = (this.#runs[end - 1] as Run).header;
      let start = end;
      while (start > 0 && (this.#runs[start - 1] as Run).header.level === level) start -= 1;
      if (end - start >= this.#fanOut) return { start, level };
      end = start;
    }
    return undefined;
  }

  #remove(run: Run): void {
    // Off this thread: freeing a large file's blocks takes tens of ms. A file that stays behind is
    // not on the list and goes at the next start.
    const removal = unlink(run.path)
      .catch(() => undefined)
      .then(() => run.close())
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** `list` with the removed neighbours replaced by `added`, which for a flush goes to the end. */
function applyChange<T>(
  list: readonly T[],
  change: { readonly kind: RunChange['kind']; readonly removed: readonly T[] },
  added: T,
): readonly T[] {
  if (change.kind === 'flush') return [...list, added];
  const start = list.indexOf(change.removed[0] as NonNullable<T>);
  return [...list.slice(0, start), added, ...list.slice(start + change.removed.length)];
}

function removeUnlisted(directory: string, listed: ReadonlySet<string>): void {
  try {
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(directory)) {
      if (runName.test(name) && !listed.has(name)) unlinkSync(join(directory, name));
    }
  } catch (error) {
    throw diskFault(error, `tidy ${directory}`);
  }
}

function openAll(kind: RunKind, options: PackedRunsOptions): Run[] {
  const opened: Run[] = [];
  try {
    for (const name of options.runs) {
      opened.push(openRun(join(options.directory, name), kind, options.pageCache));
    }
    return opened;
  } catch (error) {
    for (const run of opened) run.closeSync();
    throw error;
  }
}
