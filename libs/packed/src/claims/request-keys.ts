import { hash } from 'node:crypto';
import type { TenantId } from '@certmill/domain';
import { keyBytes } from '../packed-runs/entry.js';

/** The keys of a request, back to back: of its UDID, its device and its claim. */
export const requestKeysBytes = 3 * keyBytes;
export const udidKeyAt = 0;
export const deviceKeyAt = keyBytes;
export const claimKeyAt = 2 * keyBytes;
export const udidBytes = 32;

/** Whose devices and keys are claimed. */
export interface ClaimScope {
  readonly tenant: TenantId;
  readonly profileName: string;
}

/** Writes the key of `id` at octet `offset` of `into`. */
export type KeyWriter = (id: string, into: Buffer, offset: number) => void;

/** Writes the three keys of a request at octet `offset` of `into`; `udidId` as of `udidIdAt`. */
export type RequestKeysWriter = (
  deviceId: string,
  udidId: string,
  into: Buffer,
  offset: number,
) => void;

/**
 * 128-bit keyed hashes that stand for keys and devices in the packed maps: SHA-256 over the store's
 * secret and the length-framed parts, cut to 16 octets. One hash call each; without the secret nobody
 * can choose ids that collide.
 */
export class RequestKeys {
  readonly #secret: string;

  constructor(secret: Uint8Array) {
    this.#secret = Buffer.from(secret).toString('hex');
  }

  /** Where the key binding and the index entry of a public key are. */
  ofUdid(tenant: TenantId): KeyWriter {
    return this.#writer('k', tenant);
  }

  /** Where the index entry of a device is; its first 48 bits stand for the device in bindings. */
  ofDevice(tenant: TenantId): KeyWriter {
    return this.#writer('d', tenant);
  }

  /** Where the live claim of a device on a profile name is. */
  ofClaim(tenant: TenantId, profileName: string): KeyWriter {
    return this.#writer('c', tenant, profileName);
  }

  /** Where it is noted that the chunk of an id was decided. */
  ofChunk(tenant: TenantId): KeyWriter {
    return this.#writer('v', tenant);
  }

  /** Where the account of an order is. */
  ofOrder(tenant: TenantId): KeyWriter {
    return this.#writer('o', tenant);
  }

  /** For the requests of one chunk: what they have in common is framed once. */
  within({ tenant, profileName }: ClaimScope): RequestKeysWriter {
    const ofUdid = this.ofUdid(tenant);
    const ofDevice = this.ofDevice(tenant);
    const ofClaim = this.ofClaim(tenant, profileName);
    return (deviceId, udidId, into, offset) => {
      const device = deviceIdentity(deviceId, udidId);
      ofUdid(udidId, into, offset + udidKeyAt);
      ofDevice(device, into, offset + deviceKeyAt);
      ofClaim(device, into, offset + claimKeyAt);
    };
  }

  #writer(kind: string, ...parts: readonly string[]): KeyWriter {
    const prefix = `${this.#secret}${kind}${parts.map(framed).join('')}`;
    return (id, into, offset) => {
      // As 'binary' (latin1): a one-byte string costs no heap object per octet and no external buffer.
      into.write(hash('sha256', prefix + id, 'binary'), offset, keyBytes, 'latin1');
    };
  }
}

function framed(part: string): string {
  return `${String(part.length)}:${part}`;
}

/** The 32 octets at position `at` of a column of UDIDs, as the id that keys are made from. */
export function udidIdAt(udids: Buffer, at: number): string {
  return udids.toString('latin1', at * udidBytes, at * udidBytes + udidBytes);
}

/**
 * What a claim is held for. A device that could not be told is known by its key: its claim then
 * stands under the UDID, marked so that no device id can be taken for it.
 */
function deviceIdentity(deviceId: string, udidId: string): string {
  return deviceId === '' ? `\0${udidId}` : deviceId;
}
