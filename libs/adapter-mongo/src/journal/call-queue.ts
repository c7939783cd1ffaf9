import { chunkIdOf, maxRequestsPerChunk, type CertmillError } from '@certmill/domain';
import {
  maxEntryBytes,
  maxItemsPerEntry,
  maxRequestsPerEntry,
  type ReleaseItem,
} from './journal-entry.js';
import type { Candidate } from './judge.js';

interface Waiting {
  readonly isUrgent: boolean;
  readonly reject: (fault: CertmillError) => void;
}

export interface DecideCall extends Waiting {
  readonly kind: 'decide';
  readonly candidate: Candidate;
  readonly resolve: (verdict: Uint8Array | Promise<Uint8Array>) => void;
}

export interface ReleaseCall extends Waiting {
  readonly kind: 'release';
  readonly item: ReleaseItem;
  readonly resolve: () => void;
}

/** What is to be written. */
export type WriteCall = DecideCall | ReleaseCall;

/** Judging holds the thread: while urgent calls come, bulk is judged in smaller groups. */
const requestsWhileUrgent = 1_024;
/** Bulk that goes along with urgent calls, so that it does not starve: any chunk fits. */
const requestsBesideUrgent = maxRequestsPerChunk;
/** How long an urgent call tells that more will come. */
const urgentForMs = 1_000;

/** Calls that wait for an entry: urgent ones first, else in their order. */
export class CallQueue {
  #urgent: WriteCall[] = [];
  #bulk: WriteCall[] = [];
  #urgentUntilMs = 0;

  get length(): number {
    return this.#urgent.length + this.#bulk.length;
  }

  add(call: WriteCall): void {
    (call.isUrgent ? this.#urgent : this.#bulk).push(call);
    if (call.isUrgent) this.#urgentUntilMs = performance.now() + urgentForMs;
  }

  /** To the front, in the order that they were taken in. */
  putBack(calls: readonly WriteCall[]): void {
    this.#urgent.unshift(...calls.filter(({ isUrgent }) => isUrgent));
    this.#bulk.unshift(...calls.filter(({ isUrgent }) => !isUrgent));
  }

  /** What one entry can hold, at least one call where any waits. */
  take(maxRequests: number): WriteCall[] {
    const group = new Group();
    this.#urgent = group.fill(this.#urgent, maxRequestsPerEntry);
    const isQuiet = performance.now() >= this.#urgentUntilMs;
    const most = isQuiet ? maxRequests : Math.min(maxRequests, requestsWhileUrgent);
    this.#bulk = group.fill(this.#bulk, group.calls.length > 0 ? requestsBesideUrgent : most);
    return group.calls;
  }

  takeAll(): WriteCall[] {
    const all = [...this.#urgent, ...this.#bulk];
    this.#urgent = [];
    this.#bulk = [];
    return all;
  }
}

class Group {
  readonly calls: WriteCall[] = [];
  readonly #chunks = new Set<string>();
  #requests = 0;
  #bytes = 0;

  /** Takes calls from the front while they fit; returns what is left. */
  fill(waiting: readonly WriteCall[], maxRequests: number): WriteCall[] {
    const before = this.#requests;
    const left: WriteCall[] = [];
    for (const call of waiting) {
      const { chunk, requests, bytes } = sizeOf(call);
      const id = `${call.kind} ${chunk.tenant} ${chunkIdOf(chunk)}`;
      const isFirst = this.calls.length === 0;
      const fits =
        left.length === 0 &&
        this.calls.length < maxItemsPerEntry &&
        this.#requests - before + requests <= maxRequests &&
        this.#requests + requests <= maxRequestsPerEntry &&
        this.#bytes + bytes <= maxEntryBytes;
      // A second decision of a chunk finds the first one in the view, after this entry.
      if ((!isFirst && !fits) || this.#chunks.has(id)) {
        left.push(call);
        continue;
      }
      this.#chunks.add(id);
      this.#requests += requests;
      this.#bytes += bytes;
      this.calls.push(call);
    }
    return left;
  }
}

function sizeOf(call: WriteCall) {
  if (call.kind === 'release') {
    const { chunk, positions, keys } = call.item;
    return { chunk, requests: positions.length, bytes: keys.length };
  }
  const { decision, keys } = call.candidate;
  const { chunk, codes, draft } = decision;
  return { chunk, requests: codes.length, bytes: draft.length + keys.length };
}
