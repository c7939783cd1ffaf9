import { hash } from 'node:crypto';
import type { TenantId } from '@certmill/domain';

export const requestKeyBytes = 16;
export const udidBytes = 32;

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
    return writer(`${this.#secret}k${framed(tenant)}`);
  }

  /** Where the index entry of a device is; its first 48 bits stand for the device in bindings. */
  ofDevice(tenant: TenantId): KeyWriter {
    return writer(`${this.#secret}d${framed(tenant)}`);
  }

  /** Where the live claim of a device on a profile name is. */
  ofClaim(tenant: TenantId, profileName: string): KeyWriter {
    return writer(`${this.#secret}c${framed(tenant)}${framed(profileName)}`);
  }
}

/** Writes the key of `id` at octet `offset` of `into`. */
export type KeyWriter = (id: string, into: Buffer, offset: number) => void;

function writer(prefix: string): KeyWriter {
  return (id, into, offset) => {
    // As 'binary' (latin1): a one-byte string costs no heap object per octet and no external buffer.
    into.write(hash('sha256', prefix + id, 'binary'), offset, requestKeyBytes, 'latin1');
  };
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
export function deviceIdentity(deviceId: string, udidId: string): string {
  return deviceId === '' ? `\0${udidId}` : deviceId;
}
