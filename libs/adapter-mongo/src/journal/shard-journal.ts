import { setImmediate as turn } from 'node:timers/promises';
import { CertmillError, isCertmillError } from '@certmill/domain';
import type { Locator } from '@certmill/packed';
import { CallQueue, type DecideCall, type ReleaseCall, type WriteCall } from './call-queue.js';
import type { ClaimJournalOptions, JournalObserver } from './claim-journal.js';
import { Contention } from './contention.js';
import { encodeEntry } from './entry-codec.js';
import { chainAfter, type DecisionItem, type ReleaseItem } from './journal-entry.js';
import type { JournalStorage, StoredEntry } from './journal-storage.js';
import { decisionItem, type IsReplaceable, type Judgement } from './judge.js';
import { judgeGroup, type JudgedCall } from './judge-group.js';
import { findObstacles } from './find-obstacles.js';
import { RecentEntries } from './recent-entries.js';
import { replaceableHolders } from './replaceable-holders.js';
import type { ShardView } from './shard-view.js';

export interface ShardJournalOptions {
  readonly shard: number;
  readonly storage: JournalStorage;
  readonly endsOf: ClaimJournalOptions['endsOf'];
  readonly isHeld: ClaimJournalOptions['isHeld'];
  readonly observer: JournalObserver;
  /** 0 to 1. */
  readonly random: () => number;
  /** A view from the newest snapshot; its tail is folded here. */
  readonly openView: () => Promise<ShardView>;
}

interface Look {
  readonly see: (view: ShardView) => void;
  readonly reject: (fault: CertmillError) => void;
}

type WrittenCall =
  | { readonly call: DecideCall; readonly judgement: Judgement; readonly item: DecisionItem }
  | { readonly call: ReleaseCall; readonly item: ReleaseItem };

/** Entries of one read; the storage bounds their octets. */
const entriesPerRead = 64;

/**
 * One shard's journal in one process. A single loop owns the view: it reads to the journal's end,
 * answers what was asked before that read, judges what waits and inserts it at the next number.
 * Nobody is answered from what was written, only from what the fold made of it.
 */
export class ShardJournal {
  /** Up to where the newest snapshot reaches, as far as is known here. */
  snapshotSeq = 0;
  readonly entries: RecentEntries;
  readonly #options: ShardJournalOptions;
  readonly #contention: Contention;
  readonly #queue = new CallQueue();
  #looks: Look[] = [];
  /** Of the round that is under way. */
  #inHand: readonly (WriteCall | Look)[] = [];
  #view: ShardView | undefined;
  #loop: Promise<void> | undefined;
  #isStopping = false;

  constructor(options: ShardJournalOptions) {
    this.#options = options;
    this.#contention = new Contention(options.random);
    this.entries = new RecentEntries(options.storage, options.shard);
  }

  /** Where it is open. */
  get view(): ShardView | undefined {
    return this.#view;
  }

  write(call: WriteCall): void {
    if (this.#isStopping) {
      call.reject(stopping());
      return;
    }
    this.#queue.add(call);
    this.#wake();
  }

  /** What the view says once it holds every entry that was there when this was called. */
  look<T>(see: (view: ShardView) => T): Promise<T> {
    if (this.#isStopping) return Promise.reject(stopping());
    return new Promise((resolve, reject) => {
      this.#looks.push({
        see: (view) => {
          try {
            resolve(see(view));
          } catch (error) {
            reject(faultOf(error));
          }
        },
        reject,
      });
      this.#wake();
    });
  }

  /** The verdict at a place of the journal, in memory of its own. */
  async verdictAt({ seq, index }: Locator): Promise<Uint8Array> {
    const { verdict } = await this.entries.decision(seq, index);
    return new Uint8Array(verdict);
  }

  /** From now on nothing is taken; resolves when what was is answered. */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await this.#loop;
  }

  /** Whoever still waits gets FAULT_STOPPING; then the view's files are let go of. */
  async close(): Promise<void> {
    this.#isStopping = true;
    this.#rejectAll(stopping());
    await this.#loop;
    await this.#view?.runs.close();
    this.#view = undefined;
  }

  #wake(): void {
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
      if (this.#hasWork()) this.#wake();
    });
  }

  #hasWork(): boolean {
    return this.#queue.length + this.#looks.length > 0;
  }

  async #run(): Promise<void> {
    // What comes in this turn of the event loop shares an entry.
    await turn();
    while (this.#hasWork()) {
      const looks = this.#looks;
      this.#looks = [];
      this.#inHand = looks;
      try {
        await this.#round(looks);
      } catch (error) {
        this.#rejectAll(faultOf(error));
      }
      this.#inHand = [];
    }
  }

  async #round(looks: readonly Look[]): Promise<void> {
    const view = (this.#view ??= await this.#options.openView());
    await this.#catchUp(view, looks.length > 0);
    for (const { see } of looks) see(view);
    const group = this.#queue.take(this.#contention.requestsPerEntry);
    this.#inHand = group;
    if (group.length === 0) return;
    try {
      await this.#writeGroup(view, group);
    } catch (error) {
      // The others have not been tried.
      const fault = faultOf(error);
      for (const { reject } of group) reject(fault);
    }
  }

  /**
   * Folds what was inserted since. @param isStrict Until nothing is left: the storage may cut a read
   * short, which an insert finds out by itself, but not a look.
   */
  async #catchUp(view: ShardView, isStrict: boolean): Promise<void> {
    const { shard, storage } = this.#options;
    for (;;) {
      const entries = await storage.read(shard, view.place.seq + 1, entriesPerRead);
      for (const entry of entries) {
        await view.makeRoom();
        await this.#fold(view, entry);
        // A full entry takes some 5 ms, and this thread has other things to do.
        if (entries.length > 1) await turn();
      }
      if (entries.length > 0) this.#reportFold(view, entries.length);
      if (entries.length === 0 || (entries.length < entriesPerRead && !isStrict)) return;
    }
  }

  async #fold(view: ShardView, entry: StoredEntry): Promise<void> {
    const { place } = view;
    if (view.fold(entry)) return;
    const { observer, shard } = this.#options;
    observer.ignored(shard, view.place.seq);
    await this.#assertHistory(view, place);
  }

  /**
   * An entry and the view do not come from the same history. Where it is the view that is not the
   * journal's (the database was restored beneath this process), nothing it says holds.
   */
  async #assertHistory(view: ShardView, folded: ShardView['place']): Promise<void> {
    const { seq, before, chain } = folded;
    if (seq === 0) return;
    const { shard, storage } = this.#options;
    const [head] = await storage.readHeads(shard, [seq]);
    if (head !== undefined && Buffer.compare(chainAfter(before, head), chain) === 0) return;
    this.#view = undefined;
    await view.runs.close();
    throw new CertmillError('FAULT_STORE_CORRUPT', 'the journal is not the one that it was');
  }

  #reportFold(view: ShardView, entries: number): void {
    const { observer, shard } = this.#options;
    observer.folded(shard, entries, view.place.seq - this.snapshotSeq);
  }

  async #writeGroup(view: ShardView, group: readonly WriteCall[]): Promise<void> {
    const { shard, storage, endsOf, isHeld, observer } = this.#options;
    await view.makeRoom();
    const seq = view.place.seq + 1;
    const judged = view.tentatively(() => judgeGroup(view, seq, group));
    this.#answer(view, judged.settled);
    let { toWrite } = judged;
    if (toWrite.length === 0) return;
    const obstaclesOf = (judged: typeof toWrite) =>
      findObstacles(judgementsOf(judged), seq, this.entries, endsOf);
    let obstacles = await obstaclesOf(toWrite);
    const calls = toWrite.map(({ call }) => call);
    const replaceable: IsReplaceable[] = [];
    // Again and again, for more of what stands in the way may end while it is looked at.
    for (;;) {
      const found = await replaceableHolders(judgementsOf(toWrite), obstacles, isHeld);
      if (found === undefined) break;
      replaceable.push(found);
      const isReplaceable: IsReplaceable = (...holder) => replaceable.some((is) => is(...holder));
      ({ toWrite } = view.tentatively(() => judgeGroup(view, seq, calls, isReplaceable)));
      obstacles = await obstaclesOf(toWrite);
    }
    const written = toWrite.map((one): WrittenCall =>
      'judgement' in one
        ? { ...one, item: decisionItem(one.judgement, obstacles) }
        : { ...one, item: one.call.item },
    );
    const items = written.map(({ item }) => item);
    const entry = encodeEntry({ previous: view.place.chain, items });
    let outcome: 'inserted' | 'exists';
    try {
      outcome = await storage.insert(shard, seq, entry);
    } catch (error) {
      await this.#settleUnknown(view, calls, faultOf(error));
      return;
    }
    if (outcome === 'exists') {
      observer.conflict(shard);
      await this.#contention.lost(calls.some(({ isUrgent }) => isUrgent));
      this.#queue.putBack(calls);
      return;
    }
    this.#contention.won();
    await this.#fold(view, entry);
    this.#reportFold(view, 1);
    for (const one of written) this.#answerWritten(view, seq, one);
    // A claim that passed on in this entry is no more its holder's to release.
    const isWritten = new Set(toWrite.map(({ call }) => call));
    for (const call of calls) if (call.kind === 'release' && !isWritten.has(call)) call.resolve();
  }

  #answerWritten(view: ShardView, seq: number, one: WrittenCall): void {
    if (!('judgement' in one)) {
      one.call.resolve();
      return;
    }
    const { call, judgement, item } = one;
    const at = view.decidedAt(item.chunk);
    // What the fold did not take up is not in force.
    if (at?.seq === seq && at.index === judgement.start) call.resolve(item.verdict);
    else this.#queue.putBack([call]);
  }

  /** The entry may be there, now or later: what is read back counts, and nothing else. */
  async #settleUnknown(
    view: ShardView,
    calls: readonly WriteCall[],
    fault: CertmillError,
  ): Promise<void> {
    await this.#catchUp(view, true);
    const seq = view.place.seq + 1;
    const { toWrite, settled } = view.tentatively(() => judgeGroup(view, seq, calls));
    this.#answer(view, settled);
    for (const { call } of toWrite) call.reject(fault);
  }

  /** Calls for which there is nothing to write (any more). */
  #answer(view: ShardView, settled: readonly WriteCall[]): void {
    for (const call of settled) {
      if (call.kind === 'release') {
        call.resolve();
        continue;
      }
      const at = view.decidedAt(call.candidate.decision.chunk);
      if (at === undefined) continue;
      const verdict = this.verdictAt(at);
      // A caller who was told before that the journal closes does not take it.
      verdict.catch(() => undefined);
      call.resolve(verdict);
    }
  }

  #rejectAll(fault: CertmillError): void {
    for (const { reject } of [...this.#inHand, ...this.#looks, ...this.#queue.takeAll()]) {
      reject(fault);
    }
    this.#looks = [];
  }
}

function judgementsOf(judged: readonly JudgedCall[]): Judgement[] {
  return judged.flatMap((one) => ('judgement' in one ? [one.judgement] : []));
}

function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the claims journal is closing');
}

/** Storage and view throw CertmillErrors; anything else is a defect of this program. */
function faultOf(error: unknown): CertmillError {
  if (isCertmillError(error)) return error;
  return new CertmillError('FAULT_STORE_DOWN', 'the claims journal failed', { cause: error });
}
