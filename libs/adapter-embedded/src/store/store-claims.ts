import type { TenantId } from '@certmill/domain';
import {
  Claims,
  deviceKeyAt,
  requestKeysBytes,
  udidKeyAt,
  type ClaimObstacle,
  type ClaimScope,
  type Locator,
  type PackedMap,
  type PackedMultiMap,
  type RequestKeys,
} from '@certmill/packed';
import type { JournaledRuns } from './journaled-runs.js';

/** Of one key nearly always enough. */
const firstLookUp = 16;

/** What became of a request that was accepted. */
export interface ClaimHistory {
  /** It is in flight, or its certificate is its device's live one, or comes after renewals. */
  readonly isListed: boolean;
  /** Nobody is issued a certificate for its key any more. */
  readonly isKeyBlocked: boolean;
  /** Accepted before it, the last of its key and the last of its device. */
  readonly before: readonly Locator[];
}

/** Claims by device and key, as part of the store's transactions. */
export class StoreClaims {
  readonly #keys: RequestKeys;
  readonly #claims: Claims;
  readonly #scratch = Buffer.alloc(requestKeysBytes);

  constructor(
    keys: RequestKeys,
    claims: JournaledRuns<PackedMap>,
    index: JournaledRuns<PackedMultiMap>,
  ) {
    this.#keys = keys;
    this.#claims = new Claims(
      {
        get: (from, offset, into) => claims.runs.get(from, offset, into),
        put: claims.put.bind(claims),
      },
      {
        lookUp: (from, offset, limit) => index.runs.lookUp(from, offset, limit),
        put: index.put.bind(index),
      },
    );
  }

  /** For the requests of one chunk: hashing what they have in common is done once. */
  within(scope: ClaimScope): ScopedClaims {
    const writeKeys = this.#keys.within(scope);
    const keys = this.#scratch;
    const claims = this.#claims;
    return {
      obstacleOf: (deviceId, udidId, request) => {
        writeKeys(deviceId, udidId, keys, 0);
        return claims.obstacleOf(keys, 0, request);
      },
      take: (request, isRenewal) => {
        claims.take(keys, 0, request, { isRenewal });
      },
      release: (deviceId, udidId, request) => {
        writeKeys(deviceId, udidId, keys, 0);
        claims.release(keys, 0, request);
      },
      releaseClaim: (deviceId, udidId, request) => {
        writeKeys(deviceId, udidId, keys, 0);
        claims.releaseClaim(keys, 0, request);
      },
      listOf: (deviceId, udidId) => {
        writeKeys(deviceId, udidId, keys, 0);
        return claims.listOf(keys, 0);
      },
      blockKey: (deviceId, udidId) => {
        writeKeys(deviceId, udidId, keys, 0);
        claims.blockKey(keys, 0);
      },
    };
  }

  /** What the index and the claims say of an accepted request. */
  historyOf(scope: ClaimScope, deviceId: string, udidId: string, request: Locator): ClaimHistory {
    const keys = this.#scratch;
    this.#keys.within(scope)(deviceId, udidId, keys, 0);
    const before = [udidKeyAt, deviceKeyAt].flatMap((at) => this.#oneBefore(keys, at, request));
    return {
      isListed: this.#claims.isListed(keys, 0, request),
      isKeyBlocked: this.#claims.isKeyBlocked(keys, 0),
      before,
    };
  }

  /** Requests that were accepted with the key, newest first. */
  requestsOfUdid(tenant: TenantId, udidId: string, limit: number): Locator[] {
    this.#keys.ofUdid(tenant)(udidId, this.#scratch, udidKeyAt);
    return this.#claims.requestsOf(this.#scratch, udidKeyAt, limit);
  }

  /** Requests that were accepted for the device, newest first. */
  requestsOfDevice(tenant: TenantId, deviceId: string, limit: number): Locator[] {
    this.#keys.ofDevice(tenant)(deviceId, this.#scratch, deviceKeyAt);
    return this.#claims.requestsOf(this.#scratch, deviceKeyAt, limit);
  }

  /** The request that was accepted under the same key right before. */
  #oneBefore(keys: Buffer, at: number, { seq, index }: Locator): Locator[] {
    for (let limit = firstLookUp; ; limit *= 16) {
      const found = this.#claims.requestsOf(keys, at, limit);
      const own = found.findIndex((each) => each.seq === seq && each.index === index);
      if (own >= 0 && own + 1 < found.length) return found.slice(own + 1, own + 2);
      // All of them are seen: it is the first, or none of them.
      if (found.length < limit) return [];
    }
  }
}

/** `udidId` as of `udidIdAt`. */
export interface ScopedClaims {
  obstacleOf(deviceId: string, udidId: string, request: Locator): ClaimObstacle | undefined;
  /**
   * Right after `obstacleOf` of the same request, where nothing may stay in its way: its keys are hashed
   * once. A renewal takes over the claim that is there.
   */
  take(request: Locator, isRenewal: boolean): void;
  /** The request was accepted but will never be issued: ends its claim and its hold on the key. */
  release(deviceId: string, udidId: string, request: Locator): void;
  /** The certificate was revoked: the device may have another; its key stays bound. */
  releaseClaim(deviceId: string, udidId: string, request: Locator): void;
  /** As `Claims.listOf`. */
  listOf(deviceId: string, udidId: string): Locator[];
  /** The certificate was revoked since others know its key: nobody may have another for it. */
  blockKey(deviceId: string, udidId: string): void;
}
