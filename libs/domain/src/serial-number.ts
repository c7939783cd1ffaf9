import { createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto';
import { batchIdBytes, type BatchId, type RequestRef } from './ids.js';

/**
 * Serial numbers (RFC 5280 4.1.2.2; 20 octets, positive): 1 octet serial-key id (01-7f), 3 octets of
 * time for index locality, 16 octets AES-128(serial key, batch id 104 bits | index 24 bits).
 * Unique by construction, unpredictable without the key, and reversible to the request.
 */
export const serialNumberBytes = 20;
const prefixBytes = 4;
const blockBytes = 16;
/** 2024-01-01T00:00:00Z; 24 bits of minutes last until the end of 2055 and wrap harmlessly. */
const timeOriginMs = Date.UTC(2024, 0, 1);
const minuteMs = 60_000;

export interface SerialKey {
  /** 1-127: keeps the first octet positive and non-zero. */
  readonly id: number;
  /** 16 octets, an AES-128 key. */
  readonly key: Uint8Array;
}

/** The serial numbers of `count` consecutive requests, 20 octets each, with one AES call. */
export function serialNumbersOf(
  serialKey: SerialKey,
  batchId: BatchId,
  firstIndex: number,
  count: number,
  receivedAtMs: number,
): Uint8Array {
  const batch = Buffer.from(batchId, 'hex');
  const blocks = Buffer.allocUnsafe(count * blockBytes);
  for (let i = 0; i < count; i++) {
    batch.copy(blocks, i * blockBytes);
    blocks.writeUIntBE(firstIndex + i, i * blockBytes + batchIdBytes, 3);
  }
  const cipher = createCipheriv('aes-128-ecb', serialKey.key, null).setAutoPadding(false);
  const sealed = cipher.update(blocks);
  const minutes = Math.floor((receivedAtMs - timeOriginMs) / minuteMs) & 0xff_ffff;
  const serials = Buffer.allocUnsafe(count * serialNumberBytes);
  for (let i = 0; i < count; i++) {
    const at = i * serialNumberBytes;
    serials[at] = serialKey.id;
    serials.writeUIntBE(minutes, at + 1, 3);
    sealed.copy(serials, at + prefixBytes, i * blockBytes, (i + 1) * blockBytes);
  }
  return serials;
}

/** The serial-key id of a serial number, or undefined where it cannot be one of ours. */
export function serialKeyIdOf(serialNumber: Uint8Array): number | undefined {
  const id = serialNumber[0];
  return serialNumber.length === serialNumberBytes && id !== undefined && id >= 1 && id <= 0x7f
    ? id
    : undefined;
}

/** The request a serial number was made for. Any 20 octets give an answer: compare the certificate. */
export function requestOfSerialNumber(serialKey: SerialKey, serialNumber: Uint8Array): RequestRef {
  // One whole block, so that the next call finds nothing of this one in the decipher.
  const sealed = new Uint8Array(blockBytes);
  sealed.set(serialNumber.subarray(prefixBytes, serialNumberBytes));
  const block = decipherOf(serialKey).update(sealed);
  return {
    batchId: block.toString('hex', 0, batchIdBytes),
    index: block.readUIntBE(batchIdBytes, 3),
  };
}

/** Making one costs more than all that it is used for. */
const deciphers = new WeakMap<SerialKey, Decipheriv>();

function decipherOf(serialKey: SerialKey): Decipheriv {
  const known = deciphers.get(serialKey);
  if (known !== undefined) return known;
  const decipher = createDecipheriv('aes-128-ecb', serialKey.key, null).setAutoPadding(false);
  deciphers.set(serialKey, decipher);
  return decipher;
}

/**
 * The greatest of as many octets that sorts before a serial number: what pages begin behind. None that
 * is given has only zeros.
 */
export function serialNumberBefore(serialNumber: Uint8Array): Uint8Array {
  const before = new Uint8Array(serialNumber);
  for (let at = before.length - 1; at >= 0; at -= 1) {
    const octet = before[at] ?? 0;
    before[at] = (octet + 0xff) % 0x100;
    if (octet > 0) break;
  }
  return before;
}
