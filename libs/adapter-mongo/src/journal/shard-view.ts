import {
  chunkIdOf,
  CertmillError,
  type ChunkRef,
  type OrderId,
  type TenantId,
} from '@certmill/domain';
import {
  Claims,
  deviceKeyAt,
  keyBytes,
  locatorHigh,
  locatorLow,
  locatorOf,
  requestKeysBytes,
  udidIdAt,
  udidKeyAt,
  type ClaimScope,
  type Locator,
  type RequestKeys,
} from '@certmill/packed';
import type { AllowListQuery } from '@certmill/ports';
import { decodeEntry, type DecodedDecision, type DecodedEntry } from './entry-codec.js';
import { chainAfter, type ReleaseItem } from './journal-entry.js';
import type { StoredEntry } from './journal-storage.js';
import type { JournalPlace, ViewRuns } from './view-runs.js';

/**
 * What a shard's entries come to: which chunk was decided where, what is claimed by which request,
 * what was taken of each order's quota. A function of the entries alone, whoever folds them and when.
 * It is called synchronously but for `makeRoom`, by one caller.
 */
export class ShardView {
  readonly runs: ViewRuns;
  readonly claims: Claims;
  readonly #keys: RequestKeys;
  #place: JournalPlace;
  readonly #key = Buffer.alloc(keyBytes);
  readonly #value = { high: 0, low: 0 };

  /** @param place Up to which `runs` hold everything. */
  constructor(runs: ViewRuns, keys: RequestKeys, place: JournalPlace) {
    this.runs = runs;
    this.claims = new Claims(runs.claims, runs.index);
    this.#keys = keys;
    this.#place = place;
  }

  get place(): JournalPlace {
    return this.#place;
  }

  /** Where the chunk's first request is, if it was decided: the entry and the place in it. */
  decidedAt(chunk: ChunkRef): Locator | undefined {
    this.#keys.ofChunk(chunk.tenant)(chunkIdOf(chunk), this.#key, 0);
    const value = this.#value;
    return this.runs.claims.get(this.#key, 0, value) ? locatorOf(value.high, value.low) : undefined;
  }

  reservedUnder(tenant: TenantId, orderId: OrderId): number {
    this.#keys.ofOrder(tenant)(orderId, this.#key, 0);
    const value = this.#value;
    this.runs.claims.get(this.#key, 0, value);
    return value.high * 0x1_0000_0000 + value.low;
  }

  /** Requests accepted with the key, newest first; `udidId` as of `udidIdAt`. */
  requestsOfUdid(tenant: TenantId, udidId: string, limit: number): Locator[] {
    const keys = Buffer.alloc(requestKeysBytes);
    this.#keys.ofUdid(tenant)(udidId, keys, udidKeyAt);
    return this.claims.requestsOf(keys, udidKeyAt, limit);
  }

  requestsOfDevice(tenant: TenantId, deviceId: string, limit: number): Locator[] {
    const keys = Buffer.alloc(requestKeysBytes);
    this.#keys.ofDevice(tenant)(deviceId, keys, deviceKeyAt);
    return this.claims.requestsOf(keys, deviceKeyAt, limit);
  }

  /** As `Claims.listOf`, of each device. */
  claimsOf(scope: ClaimScope, devices: readonly AllowListQuery[]): Locator[][] {
    const write = this.#keys.within(scope);
    const keys = Buffer.alloc(requestKeysBytes);
    return devices.map(({ deviceId = '', udid }) => {
      write(deviceId, udidIdAt(Buffer.from(udid), 0), keys, 0);
      return this.claims.listOf(keys, 0);
    });
  }

  /** Before each `fold` or `tentatively`. Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN. */
  makeRoom(): Promise<void> {
    return this.runs.makeRoom(this.#place);
  }

  /** Does work that puts into the view, and undoes what it put. */
  tentatively<T>(work: () => T): T {
    const mark = this.runs.mark();
    try {
      return work();
    } finally {
      this.runs.rollback(mark);
    }
  }

  /**
   * Takes in the entry behind `place`, wholly or (when it throws) not at all. False where it was made
   * from another history: then it has no effect but to take up its number.
   * Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN.
   */
  fold(stored: StoredEntry): boolean {
    const entry = decodeEntry(stored);
    const { seq, chain } = this.#place;
    const isOfThisHistory = Buffer.compare(entry.previous, chain) === 0;
    if (isOfThisHistory) this.#applyWhole(entry, seq + 1);
    this.#place = { seq: seq + 1, before: chain, chain: chainAfter(chain, stored.head) };
    this.runs.entryFolded();
    return isOfThisHistory;
  }

  /** As the fold of its decision will. */
  noteDecided(chunk: ChunkRef, at: Locator): void {
    this.#keys.ofChunk(chunk.tenant)(chunkIdOf(chunk), this.#key, 0);
    const { seq, index } = at;
    this.runs.claims.put(this.#key, 0, locatorHigh(seq), locatorLow(seq, index));
  }

  /** Takes quota, or with a negative count gives it back. */
  reserve(tenant: TenantId, orderId: OrderId, count: number): void {
    if (count === 0) return;
    const reserved = this.reservedUnder(tenant, orderId) + count;
    if (reserved < 0) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `order ${orderId} got more back than it gave`);
    }
    // `reservedUnder` left the order's key in place.
    this.runs.claims.put(this.#key, 0, Math.floor(reserved / 0x1_0000_0000), reserved >>> 0);
  }

  /**
   * As its fold does; returns how many claims it ended, or keys it blocked. Only the request that holds
   * a claim can end it: a second time there is nothing to end.
   */
  release({ kind, chunk, orderId, positions, keys }: ReleaseItem): number {
    const decided = this.decidedAt(chunk);
    if (decided === undefined) return 0;
    let released = 0;
    for (const [i, position] of positions.entries()) {
      const request = { seq: decided.seq, index: decided.index + position };
      const at = i * requestKeysBytes;
      if (this.#releaseOne(kind, keys, at, request)) released += 1;
    }
    if (kind === 'giving-back') this.reserve(chunk.tenant, orderId, -released);
    return released;
  }

  #releaseOne(kind: ReleaseItem['kind'], keys: Buffer, at: number, request: Locator): boolean {
    switch (kind) {
      case 'giving-back':
        return this.claims.release(keys, at, request);
      case 'claim-release':
        return this.claims.releaseClaim(keys, at, request);
      case 'key-block':
        return this.claims.blockKey(keys, at);
    }
  }

  #applyWhole(entry: DecodedEntry, seq: number): void {
    const mark = this.runs.mark();
    try {
      for (const item of entry.items) {
        if (item.kind === 'decision') this.#applyDecision(item, seq);
        else this.release(item);
      }
    } catch (error) {
      this.runs.rollback(mark);
      throw error;
    }
  }

  /** The first decision of a chunk counts; quota is what was accepted, not what somebody summed up. */
  #applyDecision(item: DecodedDecision, seq: number): void {
    const { chunk, orderId, start, accepted, keys, renews } = item;
    if (this.decidedAt(chunk) !== undefined) return;
    this.noteDecided(chunk, { seq, index: start });
    for (const [i, position] of accepted.entries()) {
      const request = { seq, index: start + position };
      this.claims.take(keys, i * requestKeysBytes, request, { isRenewal: renews });
    }
    this.reserve(chunk.tenant, orderId, accepted.length);
  }
}
