import { setTimeout as pause } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import type { Documents } from '../connection/documents.js';
import {
  addSums,
  slotName,
  summaryFields,
  type BucketDocument,
  type BucketSummary,
  type ChunkDocument,
  type Sums,
} from './bucket-document.js';

/** A change of a bucket, made from what is known of it: it takes effect only if that still holds. */
export interface BucketEdit {
  /** Chunks as they will be, by slot; those that are new go on behind the registered ones. */
  readonly chunks?: ReadonlyMap<number, ChunkDocument>;
  readonly registered?: number;
  readonly end?: number;
  readonly total?: number;
  readonly sums?: Partial<Sums>;
  /** Refused where the bucket was closed meanwhile. */
  readonly whileOpen?: boolean;
}

/** An answer, and what has to be done first; at most one of the two. */
export interface Judged<T> {
  readonly answer: T;
  readonly edit?: BucketEdit;
  /** Insert if absent. */
  readonly insert?: BucketDocument;
}

export interface BucketChange<T> {
  /**
   * What the bucket is changed to, or an answer, or a CertmillError. What is known may be old, then
   * nothing but what never changes back may be answered: `isFresh` says when it was just read. What is
   * thrown on old knowledge is judged again on fresh.
   */
  judge(bucket: BucketDocument | undefined, isFresh: boolean): Judged<T> | 'read-first';
}

export interface Changed<T> {
  readonly answer: T;
  /** After the change; undefined where nothing had to change. */
  readonly bucket?: BucketSummary;
}

interface Waiting {
  readonly change: BucketChange<unknown>;
  readonly resolve: (changed: Changed<unknown>) => void;
  readonly reject: (error: unknown) => void;
  tries: number;
  /** What is known was read after this call came. */
  isFresh: boolean;
}

interface Planned {
  readonly call: Waiting;
  readonly edit: BucketEdit;
  readonly answer: unknown;
}

/** Others may be first that often before a call gives up: each time somebody got something done. */
const maxTries = 64;
/** From here on pauses are made, growing and at random. */
const triesWithoutPause = 4;
const pauseMs = 5;

/**
 * The changes of one bucket by this process, one update at a time: those that wait go together. Each
 * names the versions of the chunks that it was made from, so changes of other processes to other
 * chunks are no conflict. Whatever a judge wants of a chunk that another call of the group changes
 * waits for the next update.
 */
export class BucketEditor {
  readonly #buckets: Documents<BucketDocument>;
  readonly #id: string;
  readonly #random: () => number;
  #waiting: Waiting[] = [];
  #isRunning = false;
  #known: BucketDocument | undefined;

  constructor(buckets: Documents<BucketDocument>, id: string, random: () => number) {
    this.#buckets = buckets;
    this.#id = id;
    this.#random = random;
  }

  /** As far as it is known here, maybe old. */
  get known(): BucketDocument | undefined {
    return this.#known;
  }

  get isIdle(): boolean {
    return !this.#isRunning;
  }

  /** Faults: what the judge throws; FAULT_STORE_DOWN and so on, then the change may be made or not. */
  change<T>(change: BucketChange<T>): Promise<Changed<T>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        change,
        resolve: resolve as (changed: Changed<unknown>) => void,
        reject,
        tries: 0,
        isFresh: false,
      });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Read now, for an answer that must not be old. */
  async read(): Promise<BucketDocument | undefined> {
    const read = await this.#buckets.get(this.#id);
    if (read !== undefined && !this.#isRunning) this.#known = read;
    return read;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let mustRead = false;
    while (this.#waiting.length > 0) {
      const group = [...this.#waiting];
      try {
        if (mustRead || this.#known === undefined) await this.#refresh(group);
        // Those that came during the read are judged on what is old to them.
        const judged = this.#waiting;
        this.#waiting = [];
        mustRead = await this.#step(judged);
      } catch (error) {
        this.#known = undefined;
        this.#waiting = this.#waiting.filter((call) => !group.includes(call));
        for (const call of group) call.reject(error);
      }
    }
    this.#isRunning = false;
  }

  async #refresh(group: readonly Waiting[]): Promise<void> {
    for (const call of group) call.isFresh = true;
    this.#known = await this.#buckets.get(this.#id);
  }

  /** Answers or changes what it can; the rest waits again. Resolves to whether they want it read first. */
  async #step(group: readonly Waiting[]): Promise<boolean> {
    const planned: Planned[] = [];
    const touched = new Set<number | 'end'>();
    let mustRead = false;
    for (const [i, call] of group.entries()) {
      const judged = this.#judge(call);
      if (judged === 'read-first') {
        mustRead = true;
        this.#waiting.push(call);
      } else if (judged === undefined) {
        continue;
      } else if (judged.insert !== undefined) {
        if (planned.length > 0) this.#waiting.push(call);
        else {
          this.#waiting.push(...group.slice(i + 1));
          const isInserted = await this.#insert(call, judged.insert, judged.answer);
          return mustRead || !isInserted;
        }
      } else if (judged.edit === undefined) {
        call.resolve({ answer: judged.answer });
      } else if (touches(judged.edit).some((part) => touched.has(part))) {
        this.#waiting.push(call);
      } else {
        for (const part of touches(judged.edit)) touched.add(part);
        planned.push({ call, edit: judged.edit, answer: judged.answer });
      }
    }
    const isDone = planned.length === 0 || (await this.#update(planned));
    return mustRead || !isDone;
  }

  #judge(call: Waiting) {
    try {
      return call.change.judge(this.#known, call.isFresh);
    } catch (error) {
      if (!call.isFresh) return 'read-first';
      call.reject(error);
      return undefined;
    }
  }

  /** Whether it was absent. */
  async #insert(call: Waiting, document: BucketDocument, answer: unknown): Promise<boolean> {
    let outcome: 'inserted' | 'exists';
    try {
      outcome = await this.#buckets.insert(document);
    } catch (error) {
      this.#known = undefined;
      call.reject(error);
      return true;
    }
    if (outcome === 'exists') {
      await this.#again([call]);
      return false;
    }
    this.#known = document;
    call.resolve({ answer, bucket: document });
    return true;
  }

  /** One update for all of them; whether it took effect. Where not, they wait again. */
  async #update(planned: readonly Planned[]): Promise<boolean> {
    const known = this.#known;
    const calls = planned.map(({ call }) => call);
    if (known === undefined) {
      await this.#again(calls);
      return false;
    }
    let after: BucketDocument | undefined;
    try {
      const { where, update } = updateOf(known, planned);
      after = await this.#buckets.updateAndGet(where, update, summaryFields);
    } catch (error) {
      this.#known = undefined;
      for (const call of calls) call.reject(error);
      return true;
    }
    if (after === undefined) {
      await this.#again(calls);
      return false;
    }
    const chunks = { ...known.chunks };
    for (const { edit } of planned) {
      for (const [slot, chunk] of edit.chunks ?? []) chunks[slotName(slot)] = chunk;
    }
    // What others have registered meanwhile is not known.
    const registered = planned.find(({ edit }) => edit.registered !== undefined)?.edit.registered;
    const end = planned.find(({ edit }) => edit.end !== undefined)?.edit.end;
    this.#known = {
      ...after,
      chunks,
      registered: registered ?? known.registered,
      end: end ?? known.end,
    };
    const bucket = after;
    for (const { call, answer } of planned) call.resolve({ answer, bucket });
    return true;
  }

  /** Somebody else was first. */
  async #again(calls: readonly Waiting[]): Promise<void> {
    let most = 0;
    for (const call of calls) {
      call.tries += 1;
      most = Math.max(most, call.tries);
      if (call.tries < maxTries) this.#waiting.push(call);
      else {
        call.reject(new CertmillError('FAULT_STORE_DOWN', 'others are always first at a bucket'));
      }
    }
    if (most > triesWithoutPause)
      await pause(this.#random() * pauseMs * (most - triesWithoutPause));
  }
}

/** What two edits of one update may not share: a chunk, or the end of what is registered. */
function touches(edit: BucketEdit): readonly (number | 'end')[] {
  const slots = [...(edit.chunks?.keys() ?? [])];
  return edit.registered === undefined && edit.total === undefined ? slots : [...slots, 'end'];
}

function updateOf(known: BucketDocument, planned: readonly Planned[]) {
  const where: Record<string, unknown> = {};
  const set: Record<string, unknown> = {};
  let sums: Partial<Sums> | undefined;
  for (const { edit } of planned) {
    if (edit.whileOpen === true) where['closed'] = null;
    if (edit.registered !== undefined || edit.total !== undefined) {
      where['registered'] = known.registered;
      where['total'] = known.total ?? null;
    }
    if (edit.registered !== undefined) set['registered'] = edit.registered;
    if (edit.end !== undefined) set['end'] = edit.end;
    if (edit.total !== undefined) set['total'] = edit.total;
    for (const [slot, chunk] of edit.chunks ?? []) {
      const name = slotName(slot);
      const before = known.chunks[name];
      if (before !== undefined) where[`chunks.${name}.version`] = before.version;
      set[`chunks.${name}`] = chunk;
    }
    if (edit.sums !== undefined) sums = sums === undefined ? edit.sums : add(sums, edit.sums);
  }
  const inc = Object.entries(sums ?? {}).filter(([, by]) => by !== 0);
  return {
    where: { _id: known._id, ...where },
    update: {
      ...(Object.keys(set).length === 0 ? {} : { $set: set }),
      ...(inc.length === 0
        ? {}
        : { $inc: Object.fromEntries(inc.map(([name, by]) => [`sums.${name}`, by])) }),
    },
  };
}

function add(left: Partial<Sums>, right: Partial<Sums>): Partial<Sums> {
  return addSums(left as Sums, right);
}
