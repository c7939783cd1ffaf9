import type { PackedValue } from '../packed-runs/entry.js';
import { locatorHigh, locatorLow, locatorOf, type Locator } from './locator.js';
import { claimKeyAt, deviceKeyAt, udidKeyAt } from './request-keys.js';

/** What stands in the way of a request, or nothing. */
export type ClaimObstacle =
  /** With the newest requests that were accepted with the key. */
  | { readonly kind: 'key-of-another-device'; readonly holders: readonly Locator[] }
  | { readonly kind: 'device-claimed'; readonly holder: Locator };

/** A PackedMap, or one that is part of a transaction. */
export interface ClaimMap {
  get(keys: Uint8Array, offset: number, into: PackedValue): boolean;
  put(keys: Uint8Array, offset: number, high: number, low: number): void;
}

/** A PackedMultiMap, or one that is part of a transaction. */
export interface RequestIndex {
  lookUp(keys: Uint8Array, offset: number, limit: number): PackedValue[];
  put(keys: Uint8Array, offset: number, high: number, low: number): void;
}

/** Requests of one key that are looked at for one of the same batch; a key has a handful. */
const holdersLookedAt = 16;
const maxHolders = 0xffff;

/**
 * Key bindings and live claims (DESIGN 3.5).
 *
 * A binding (tenant, UDID) -> device: 48 bits that stand for the device, 16 that count the requests
 * which were accepted with the key. It ends when each of them was given back unissued (`release`),
 * so a key is bound for ever once a certificate was issued for it; the count stops at its maximum.
 * A claim (tenant, profile name, device) -> the request that is in flight or holds the certificate.
 *
 * The index entries of a request (UDID, device -> request) are made with its claim: what is in
 * flight can be told from a duplicate, and readers skip what was not issued.
 *
 * `keys` and `offset` are those of a request as RequestKeys writes them.
 */
export class Claims {
  readonly #claims: ClaimMap;
  readonly #index: RequestIndex;
  readonly #value = { high: 0, low: 0 };

  constructor(claims: ClaimMap, index: RequestIndex) {
    this.#claims = claims;
    this.#index = index;
  }

  /** Finding its own claim is no obstacle. */
  obstacleOf(keys: Buffer, offset: number, request: Locator): ClaimObstacle | undefined {
    const value = this.#value;
    const isBound = this.#claims.get(keys, offset + udidKeyAt, value);
    if (isBound && !this.#isBoundToDevice(keys, offset)) {
      const holders = this.requestsOf(keys, offset + udidKeyAt, holdersLookedAt);
      return { kind: 'key-of-another-device', holders };
    }
    if (this.#claims.get(keys, offset + claimKeyAt, value) && !this.#isHeldBy(request)) {
      return { kind: 'device-claimed', holder: locatorOf(value.high, value.low) };
    }
    return undefined;
  }

  /** Right after `obstacleOf` found nothing, or a claim of the device that ends with this one. */
  take(keys: Buffer, offset: number, request: Locator): void {
    const value = this.#value;
    const high = locatorHigh(request.seq);
    const low = locatorLow(request.seq, request.index);
    this.#claims.get(keys, offset + udidKeyAt, value);
    this.#putBinding(keys, offset, Math.min((value.low & maxHolders) + 1, maxHolders));
    this.#claims.put(keys, offset + claimKeyAt, high, low);
    this.#index.put(keys, offset + udidKeyAt, high, low);
    this.#index.put(keys, offset + deviceKeyAt, high, low);
  }

  /**
   * The request was accepted but will never be issued: ends its claim and its hold on the key. False,
   * with nothing changed, where it holds no claim (any more).
   */
  release(keys: Buffer, offset: number, request: Locator): boolean {
    const isReleased = this.releaseClaim(keys, offset, request);
    if (isReleased) this.#releaseBinding(keys, offset);
    return isReleased;
  }

  /** The certificate was revoked: the device may have another; its key stays bound. */
  releaseClaim(keys: Buffer, offset: number, request: Locator): boolean {
    const isHeld = this.holdsClaim(keys, offset, request);
    if (isHeld) this.#claims.put(keys, offset + claimKeyAt, 0, 0);
    return isHeld;
  }

  /** Whether the request has its claim still: it is in flight, or its certificate is the live one. */
  holdsClaim(keys: Buffer, offset: number, request: Locator): boolean {
    return this.#claims.get(keys, offset + claimKeyAt, this.#value) && this.#isHeldBy(request);
  }

  /** Requests accepted under the key, of a UDID or a device, at octet `at`: newest first. */
  requestsOf(keys: Buffer, at: number, limit: number): Locator[] {
    return this.#index.lookUp(keys, at, limit).map(({ high, low }) => locatorOf(high, low));
  }

  #releaseBinding(keys: Buffer, offset: number): void {
    const value = this.#value;
    const isBound = this.#claims.get(keys, offset + udidKeyAt, value);
    if (!isBound || !this.#isBoundToDevice(keys, offset)) return;
    const holders = value.low & maxHolders;
    if (holders === maxHolders) return;
    if (holders <= 1) this.#claims.put(keys, offset + udidKeyAt, 0, 0);
    else this.#putBinding(keys, offset, holders - 1);
  }

  /** Compares the claim in `#value`. */
  #isHeldBy(request: Locator): boolean {
    const { high, low } = this.#value;
    return high === locatorHigh(request.seq) && low === locatorLow(request.seq, request.index);
  }

  /** Compares the binding in `#value` with the request's device. */
  #isBoundToDevice(keys: Buffer, offset: number): boolean {
    return (
      this.#value.high === keys.readUInt32LE(offset + deviceKeyAt) &&
      this.#value.low >>> 16 === keys.readUInt16LE(offset + deviceKeyAt + 4)
    );
  }

  #putBinding(keys: Buffer, offset: number, holders: number): void {
    const low = ((keys.readUInt16LE(offset + deviceKeyAt + 4) << 16) | holders) >>> 0;
    this.#claims.put(keys, offset + udidKeyAt, keys.readUInt32LE(offset + deviceKeyAt), low);
  }
}
