import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CertmillError } from '@certmill/domain';
import {
  diskFault,
  PackedMap,
  PackedMultiMap,
  type PageCache,
  type RunChange,
  type RunWriter,
  type SpareMemtables,
} from '@certmill/packed';
import { emptyChain, maxItemsPerEntry, maxRequestsPerEntry } from './journal-entry.js';

/** How far a journal was folded. */
export interface JournalPlace {
  /** The last entry, 0 for none. */
  readonly seq: number;
  /** The chain before that entry and after it. */
  readonly before: Uint8Array;
  readonly chain: Uint8Array;
}

export const journalStart: JournalPlace = { seq: 0, before: emptyChain, chain: emptyChain };

export const mapNames = ['claims', 'index'] as const;
export type MapName = (typeof mapNames)[number];
/** Run files by map, oldest first. */
export type RunLists = Readonly<Record<MapName, readonly string[]>>;

export interface ViewRunsOptions {
  /** Of this view alone. */
  readonly directory: string;
  readonly runWriter: RunWriter;
  readonly pageCache: PageCache;
  readonly spares: SpareMemtables;
  /** Puts into one map since the last flush at which both are flushed. */
  readonly flushEntries: number;
  readonly onFault: (fault: CertmillError) => void;
  /** What is in the directory already, from a snapshot, and how far it reaches. */
  readonly place: JournalPlace;
  readonly runs: RunLists;
}

/** Of a request into each map at most: key binding, claim and link; UDID and device. */
const maxPutsPerRequest = { claims: 3, index: 2 } as const satisfies Record<MapName, number>;
/** Of an item, beside its requests: a chunk's and an order's. */
const putsPerItem = 2;
/** With few requests in each entry, the tail is bounded by their number. */
const entriesPerFlush = 4_096;
/** A packed map takes four times what it is told to flush at. */
const memtablesPerFlush = 4;

export interface FlushedRuns {
  readonly place: JournalPlace;
  /** Entries put into `claims` by then, since the view was opened: some two for each request accepted. */
  readonly puts: number;
  readonly runs: RunLists;
}

interface Flush {
  readonly place: JournalPlace;
  readonly puts: number;
  /** By map; undefined until its run is written. */
  readonly changes: Map<MapName, RunChange>;
  readonly left: Set<MapName>;
}

/**
 * The packed runs of a view. Both maps are flushed together, between two entries, and where that is
 * follows from the entries alone: views of different processes come to the same run files, and a
 * snapshot finds most of them uploaded. The list of runs is memory only, for the view is a cache.
 */
export class ViewRuns {
  readonly directory: string;
  readonly claims: PackedMap;
  readonly index: PackedMultiMap;
  readonly #flushEntries: number;
  readonly #spares: SpareMemtables;
  readonly #onFault: (fault: CertmillError) => void;
  /** Marks of both maps when the last flush began, and entries since. */
  #flushedMarks = { claims: 0, index: 0 };
  #entriesSince = 0;
  /** Begun and not adopted; one that failed is tried again. */
  #flush: Flush | undefined;
  #flushing: Promise<void> | undefined;
  #flushed: Omit<FlushedRuns, 'runs'>;
  #merging: Promise<void> | undefined;
  #mergesHeld = 0;

  /** Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL, FAULT_STORE_CORRUPT. */
  constructor(options: ViewRunsOptions) {
    this.directory = options.directory;
    this.#flushEntries = options.flushEntries;
    this.#spares = options.spares;
    this.#onFault = options.onFault;
    this.#flushed = { place: options.place, puts: 0 };
    const of = (name: MapName) => {
      const maxPuts =
        maxPutsPerRequest[name] * maxRequestsPerEntry + putsPerItem * maxItemsPerEntry;
      const directory = join(options.directory, name);
      try {
        mkdirSync(directory, { recursive: true });
      } catch (error) {
        throw diskFault(error, `make ${directory}`);
      }
      return {
        directory,
        runs: options.runs[name],
        writer: options.runWriter,
        pageCache: options.pageCache,
        spares: options.spares,
        isDurable: false,
        // The entry that makes a flush due, and one that is judged on top of it.
        flushEntries: Math.ceil((options.flushEntries + 2 * maxPuts) / memtablesPerFlush),
      };
    };
    this.claims = new PackedMap(of('claims'));
    this.index = new PackedMultiMap(of('index'));
  }

  /** What the runs on disk hold, as one: take all of it at the same moment. */
  get flushed(): FlushedRuns {
    const runs = { claims: this.claims.runs, index: this.index.runs };
    return { ...this.#flushed, runs };
  }

  mark(): { readonly claims: number; readonly index: number } {
    return { claims: this.claims.mark(), index: this.index.mark() };
  }

  rollback(mark: { readonly claims: number; readonly index: number }): void {
    this.claims.rollback(mark.claims);
    this.index.rollback(mark.index);
  }

  /** An entry was folded. */
  entryFolded(): void {
    this.#entriesSince += 1;
  }

  /**
   * Makes room for one entry more: begins a flush where one is due, after the one before has ended.
   * @param place Up to which everything was put. Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN. Where there
   * is no memory for it nothing has begun: RangeError.
   */
  async makeRoom(place: JournalPlace): Promise<void> {
    const { claims, index } = this.mark();
    const isDue =
      claims - this.#flushedMarks.claims >= this.#flushEntries ||
      index - this.#flushedMarks.index >= this.#flushEntries ||
      this.#entriesSince >= entriesPerFlush;
    if (!isDue) return;
    await this.#finishFlush();
    const left = mapNames.filter((name) => this[name].mark() > this.#flushedMarks[name]);
    // Both are frozen at this place, or none.
    this.#spares.ensure(this.claims.capacity, left.length);
    this.#flush = { place, puts: claims, changes: new Map(), left: new Set(left) };
    this.#flushedMarks = this.mark();
    this.#entriesSince = 0;
    this.#finishFlush().catch(() => undefined);
  }

  /** Ends the flush that was begun, if any; after a failure it is tried again. */
  #finishFlush(): Promise<void> {
    const flush = this.#flush;
    if (flush === undefined) return Promise.resolve();
    this.#flushing ??= this.#write(flush)
      .catch((error: unknown) => {
        const fault = diskFault(error, 'write a view of the journal');
        this.#onFault(fault);
        throw fault;
      })
      .finally(() => {
        this.#flushing = undefined;
      });
    return this.#flushing;
  }

  async #write(flush: Flush): Promise<void> {
    const written = [...flush.left].map(async (name) => {
      flush.changes.set(name, await this[name].flush(flush.place.seq));
      flush.left.delete(name);
    });
    const outcomes = await Promise.allSettled(written);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    // Both at once: a snapshot of one without the other would count requests twice.
    for (const [name, change] of flush.changes) this[name].adopt(change);
    this.#flushed = { place: flush.place, puts: flush.puts };
    this.#flush = undefined;
    this.#startMerge();
  }

  #startMerge(): void {
    if (this.#mergesHeld > 0 || this.#merging !== undefined) return;
    const due = mapNames.filter((name) => this[name].mergeDue);
    if (due.length === 0) return;
    this.#merging = Promise.all(
      due.map(async (name) => {
        const change = await this[name].merge();
        if (change !== undefined) this[name].adopt(change);
      }),
    )
      .then(
        () => true,
        (error: unknown) => {
          this.#onFault(diskFault(error, 'merge a view of the journal'));
          return false;
        },
      )
      .then((isMerged) => {
        this.#merging = undefined;
        // One that failed is tried again after the next flush.
        if (isMerged) this.#startMerge();
      });
  }

  /** Keeps every file on the list until `release`, which may be called once. */
  async holdFiles(): Promise<() => void> {
    this.#mergesHeld += 1;
    await this.#merging;
    return () => {
      this.#mergesHeld -= 1;
      this.#startMerge();
    };
  }

  /** Waits for what is being written; nothing may be called after. */
  async close(): Promise<void> {
    this.#mergesHeld += 1;
    await Promise.allSettled([this.#flushing, this.#merging]);
    await this.claims.close();
    await this.index.close();
  }
}
