import type { PackedValue } from '../packed-runs/entry.js';
import { locatorHigh, locatorLow, locatorOf, type Locator } from './locator.js';
import { keyBytes } from '../packed-runs/entry.js';
import { claimKeyAt, deviceKeyAt, udidKeyAt } from './request-keys.js';

/** What stands in the way of a request, or nothing. */
export type ClaimObstacle =
  /** Whoever asks (`Claims.blockKey`). */
  | { readonly kind: 'key-compromised' }
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
/** Both words of the binding of a blocked key: to no device, for ever. */
const blocked = 0xffff_ffff;
/** Renewals of one device that are followed back; what ended before that many is not found any more. */
const linksFollowed = 32;
/** Tells keys of links from all others. */
const linkMark = 0x4c494e4b;

/**
 * Key bindings and live claims (DESIGN 3.5).
 *
 * A binding (tenant, UDID) -> device: 48 bits that stand for the device, 16 that count the requests
 * which were accepted with the key. It ends when each of them was given back unissued (`release`),
 * so a key is bound for ever once a certificate was issued for it; the count stops at its maximum.
 * A key that is blocked is bound to no device: older versions take it for another device's.
 * A claim (tenant, profile name, device) -> the request that is in flight or holds the certificate.
 * A link (claim, request) -> the request whose claim it took over, as a renewal: where it is given back,
 * that one has the claim again, unless it was revoked meanwhile. So the requests of a claim are a list.
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
  readonly #link = Buffer.alloc(keyBytes);

  constructor(claims: ClaimMap, index: RequestIndex) {
    this.#claims = claims;
    this.#index = index;
  }

  /** Finding its own claim is no obstacle. */
  obstacleOf(keys: Buffer, offset: number, request: Locator): ClaimObstacle | undefined {
    const value = this.#value;
    if (this.isKeyBlocked(keys, offset)) return { kind: 'key-compromised' };
    const isBound = value.high !== 0 || value.low !== 0;
    if (isBound && !this.#isBoundToDevice(keys, offset)) {
      const holders = this.requestsOf(keys, offset + udidKeyAt, holdersLookedAt);
      return { kind: 'key-of-another-device', holders };
    }
    if (this.#claims.get(keys, offset + claimKeyAt, value) && !this.#isHeldBy(request)) {
      return { kind: 'device-claimed', holder: locatorOf(value.high, value.low) };
    }
    return undefined;
  }

  /**
   * Right after `obstacleOf` found nothing, or a claim of the device that a renewal takes over.
   * @param isRenewal whether one that is there comes back when this request is given back.
   */
  take(keys: Buffer, offset: number, request: Locator, { isRenewal = false } = {}): void {
    const value = this.#value;
    const holder = isRenewal ? this.#holderOf(keys, offset) : undefined;
    if (holder !== undefined && !this.#isHeldBy(request)) {
      this.#putLink(keys, offset, request, holder);
    }
    const high = locatorHigh(request.seq);
    const low = locatorLow(request.seq, request.index);
    // What others decided before they knew does not free the key.
    if (!this.isKeyBlocked(keys, offset)) {
      this.#putBinding(keys, offset, Math.min((value.low & maxHolders) + 1, maxHolders));
    }
    this.#claims.put(keys, offset + claimKeyAt, high, low);
    this.#index.put(keys, offset + udidKeyAt, high, low);
    this.#index.put(keys, offset + deviceKeyAt, high, low);
  }

  /**
   * The request was accepted but will never be issued: ends its claim and its hold on the key, and the
   * one that it took over holds the claim again. False, with nothing changed, where it has no claim (any more).
   */
  release(keys: Buffer, offset: number, request: Locator): boolean {
    let isReleased: boolean;
    if (this.holdsClaim(keys, offset, request)) {
      this.#putClaim(keys, offset, this.#takenOverBy(keys, offset, request));
      isReleased = true;
    } else isReleased = this.#unlink(keys, offset, request);
    if (isReleased) this.#releaseBinding(keys, offset);
    return isReleased;
  }

  /**
   * The certificate was revoked: the device may have another; its key stays bound. One that was taken over
   * does not come back. False, with nothing changed, where it has no claim (any more).
   */
  releaseClaim(keys: Buffer, offset: number, request: Locator): boolean {
    if (!this.holdsClaim(keys, offset, request)) return this.#unlink(keys, offset, request);
    this.#putClaim(keys, offset, undefined);
    return true;
  }

  /** The key is known to others: no request passes with it any more. False where it was blocked. */
  blockKey(keys: Buffer, offset: number): boolean {
    if (this.isKeyBlocked(keys, offset)) return false;
    this.#claims.put(keys, offset + udidKeyAt, blocked, blocked);
    return true;
  }

  /** Leaves the key's binding in `#value`. */
  isKeyBlocked(keys: Buffer, offset: number): boolean {
    const value = this.#value;
    this.#claims.get(keys, offset + udidKeyAt, value);
    return value.high === blocked && value.low === blocked;
  }

  /** Whether the request holds its claim, or would again if renewals that took it over were given back. */
  isListed(keys: Buffer, offset: number, request: Locator): boolean {
    return (
      this.holdsClaim(keys, offset, request) || this.#renewalOf(keys, offset, request) !== undefined
    );
  }

  /** Whether the request has its claim still: it is in flight, or its certificate is the live one. */
  holdsClaim(keys: Buffer, offset: number, request: Locator): boolean {
    return this.#claims.get(keys, offset + claimKeyAt, this.#value) && this.#isHeldBy(request);
  }

  /** Requests accepted under the key, of a UDID or a device, at octet `at`: newest first. */
  requestsOf(keys: Buffer, at: number, limit: number): Locator[] {
    return this.#index.lookUp(keys, at, limit).map(({ high, low }) => locatorOf(high, low));
  }

  /** Who holds the claim, and behind it those whose claim was taken over: newest first, the last 33. */
  listOf(keys: Buffer, offset: number): Locator[] {
    const list: Locator[] = [];
    let one = this.#holderOf(keys, offset);
    while (one !== undefined && list.length <= linksFollowed) {
      list.push(one);
      one = this.#takenOverBy(keys, offset, one);
    }
    return list;
  }

  /** Takes a request that is taken over out of the list. */
  #unlink(keys: Buffer, offset: number, request: Locator): boolean {
    const renewal = this.#renewalOf(keys, offset, request);
    if (renewal === undefined) return false;
    this.#putLink(keys, offset, renewal, this.#takenOverBy(keys, offset, request));
    return true;
  }

  /** The request that took over the claim from this one. */
  #renewalOf(keys: Buffer, offset: number, { seq, index }: Locator): Locator | undefined {
    let newer = this.#holderOf(keys, offset);
    for (let links = 0; newer !== undefined && links < linksFollowed; links += 1) {
      const older = this.#takenOverBy(keys, offset, newer);
      if (older?.seq === seq && older.index === index) return newer;
      newer = older;
    }
    return undefined;
  }

  #holderOf(keys: Buffer, offset: number): Locator | undefined {
    const isHeld = this.#claims.get(keys, offset + claimKeyAt, this.#value);
    return isHeld ? locatorOf(this.#value.high, this.#value.low) : undefined;
  }

  #takenOverBy(keys: Buffer, offset: number, request: Locator): Locator | undefined {
    const isRenewal = this.#claims.get(this.#linkKey(keys, offset, request), 0, this.#value);
    return isRenewal ? locatorOf(this.#value.high, this.#value.low) : undefined;
  }

  #putLink(keys: Buffer, offset: number, request: Locator, older: Locator | undefined): void {
    this.#put(this.#linkKey(keys, offset, request), 0, older);
  }

  #putClaim(keys: Buffer, offset: number, holder: Locator | undefined): void {
    this.#put(keys, offset + claimKeyAt, holder);
  }

  #put(keys: Buffer, offset: number, locator: Locator | undefined): void {
    if (locator === undefined) this.#claims.put(keys, offset, 0, 0);
    else {
      const { seq, index } = locator;
      this.#claims.put(keys, offset, locatorHigh(seq), locatorLow(seq, index));
    }
  }

  /** Made from the claim's keyed hash and the request: as little to be guessed, and as evenly spread. */
  #linkKey(keys: Buffer, offset: number, { seq, index }: Locator): Buffer {
    const link = this.#link;
    keys.copy(link, 0, offset + claimKeyAt, offset + claimKeyAt + keyBytes);
    for (const [at, word] of [locatorHigh(seq), locatorLow(seq, index), linkMark].entries()) {
      link.writeUInt32LE((link.readUInt32LE(at * 4) ^ word) >>> 0, at * 4);
    }
    return link;
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
