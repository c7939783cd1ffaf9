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
      take: (request) => {
        claims.take(keys, 0, request);
      },
      release: (deviceId, udidId, request) => {
        writeKeys(deviceId, udidId, keys, 0);
        claims.release(keys, 0, request);
      },
      releaseClaim: (deviceId, udidId, request) => {
        writeKeys(deviceId, udidId, keys, 0);
        claims.releaseClaim(keys, 0, request);
      },
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
