import type { TenantId } from '@certmill/domain';
import type { PackedMap, PackedMultiMap } from '@certmill/packed';
import type { JournaledRuns } from './journaled-runs.js';
import { locatorHigh, locatorLow, locatorOf, type Locator } from './locator.js';
import {
  deviceIdentity,
  requestKeyBytes,
  type KeyWriter,
  type RequestKeys,
} from './request-keys.js';

/** Whose devices and keys are claimed. */
export interface ClaimScope {
  readonly tenant: TenantId;
  readonly profileName: string;
}

/** What stands in the way of a request, or nothing. */
export type ClaimObstacle =
  | { readonly kind: 'key-of-another-device'; readonly bySameBatch: boolean }
  | { readonly kind: 'device-claimed'; readonly holder: Locator };

const udidAt = 0;
const deviceAt = requestKeyBytes;
const claimAt = 2 * requestKeyBytes;
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
 */
export class Claims {
  readonly #keys: RequestKeys;
  readonly #claims: JournaledRuns<PackedMap>;
  readonly #index: JournaledRuns<PackedMultiMap>;
  readonly #scratch = Buffer.alloc(3 * requestKeyBytes);
  readonly #value = { high: 0, low: 0 };

  constructor(
    keys: RequestKeys,
    claims: JournaledRuns<PackedMap>,
    index: JournaledRuns<PackedMultiMap>,
  ) {
    this.#keys = keys;
    this.#claims = claims;
    this.#index = index;
  }

  /** For the requests of one chunk: hashing what they have in common is done once. */
  within(scope: ClaimScope): ScopedClaims {
    const ofUdid = this.#keys.ofUdid(scope.tenant);
    const ofDevice = this.#keys.ofDevice(scope.tenant);
    const ofClaim = this.#keys.ofClaim(scope.tenant, scope.profileName);
    const derive = (deviceId: string, udidId: string): void => {
      const device = deviceIdentity(deviceId, udidId);
      ofUdid(udidId, this.#scratch, udidAt);
      ofDevice(device, this.#scratch, deviceAt);
      ofClaim(device, this.#scratch, claimAt);
    };
    return {
      obstacleOf: (deviceId, udidId, request) => {
        derive(deviceId, udidId);
        return this.#obstacle(request);
      },
      take: (request) => {
        this.#take(request);
      },
      release: (deviceId, udidId, request) => {
        derive(deviceId, udidId);
        this.#releaseClaim(request);
        this.#releaseBinding();
      },
      releaseClaim: (deviceId, udidId, request) => {
        derive(deviceId, udidId);
        this.#releaseClaim(request);
      },
    };
  }

  /** Requests that were accepted with the key, newest first. */
  requestsOfUdid(tenant: TenantId, udidId: string, limit: number): Locator[] {
    return this.#requestsOf(this.#keys.ofUdid(tenant), udidId, limit);
  }

  /** Requests that were accepted for the device, newest first. */
  requestsOfDevice(tenant: TenantId, deviceId: string, limit: number): Locator[] {
    return this.#requestsOf(this.#keys.ofDevice(tenant), deviceId, limit);
  }

  #requestsOf(writeKey: KeyWriter, id: string, limit: number): Locator[] {
    writeKey(id, this.#scratch, 0);
    return this.#index.runs
      .lookUp(this.#scratch, 0, limit)
      .map(({ high, low }) => locatorOf(high, low));
  }

  #obstacle(request: Locator): ClaimObstacle | undefined {
    const value = this.#value;
    const keys = this.#scratch;
    if (this.#claims.runs.get(keys, udidAt, value) && !this.#isBoundToDevice()) {
      const holders = this.#index.runs.lookUp(keys, udidAt, holdersLookedAt);
      const bySameBatch = holders.some(
        ({ high, low }) => locatorOf(high, low).batchSeq === request.batchSeq,
      );
      return { kind: 'key-of-another-device', bySameBatch };
    }
    if (this.#claims.runs.get(keys, claimAt, value)) {
      const holder = locatorOf(value.high, value.low);
      if (holder.batchSeq !== request.batchSeq || holder.index !== request.index) {
        return { kind: 'device-claimed', holder };
      }
    }
    return undefined;
  }

  #take(request: Locator): void {
    const keys = this.#scratch;
    const value = this.#value;
    const high = locatorHigh(request.batchSeq);
    const low = locatorLow(request.batchSeq, request.index);
    this.#claims.runs.get(keys, udidAt, value);
    this.#putBinding(Math.min((value.low & maxHolders) + 1, maxHolders));
    this.#claims.put(keys, claimAt, high, low);
    this.#index.put(keys, udidAt, high, low);
    this.#index.put(keys, deviceAt, high, low);
  }

  #releaseClaim(request: Locator): void {
    const value = this.#value;
    if (!this.#claims.runs.get(this.#scratch, claimAt, value)) return;
    const holder = locatorOf(value.high, value.low);
    if (holder.batchSeq === request.batchSeq && holder.index === request.index) {
      this.#claims.put(this.#scratch, claimAt, 0, 0);
    }
  }

  #releaseBinding(): void {
    const value = this.#value;
    if (!this.#claims.runs.get(this.#scratch, udidAt, value) || !this.#isBoundToDevice()) return;
    const holders = value.low & maxHolders;
    if (holders === maxHolders) return;
    if (holders <= 1) this.#claims.put(this.#scratch, udidAt, 0, 0);
    else this.#putBinding(holders - 1);
  }

  /** Compares the binding in `#value` with the device in the scratch keys. */
  #isBoundToDevice(): boolean {
    const keys = this.#scratch;
    return (
      this.#value.high === keys.readUInt32LE(deviceAt) &&
      this.#value.low >>> 16 === keys.readUInt16LE(deviceAt + 4)
    );
  }

  #putBinding(holders: number): void {
    const keys = this.#scratch;
    const low = ((keys.readUInt16LE(deviceAt + 4) << 16) | holders) >>> 0;
    this.#claims.put(keys, udidAt, keys.readUInt32LE(deviceAt), low);
  }
}

/** `udidId` as of `udidIdAt`. */
export interface ScopedClaims {
  obstacleOf(deviceId: string, udidId: string, request: Locator): ClaimObstacle | undefined;
  /** Right after `obstacleOf` found nothing for the same request: its keys are hashed once. */
  take(request: Locator): void;
  /** The request was accepted but will never be issued: ends its claim and its hold on the key. */
  release(deviceId: string, udidId: string, request: Locator): void;
  /** The certificate was revoked: the device may have another; its key stays bound. */
  releaseClaim(deviceId: string, udidId: string, request: Locator): void;
}
