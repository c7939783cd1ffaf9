import { createHmac, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { serialNumberBytes } from '@certmill/domain';
import { forgedStatus, framed } from '@certmill/pipeline';
import type { CrlScope, StoredCrl } from '@certmill/ports';

/** A row of a scope, all that is stored of it. */
export interface SummedRow {
  readonly serialNumber: Uint8Array;
  readonly reason: number;
  readonly revokedAtMs: number;
  readonly invalidityDateMs: number | undefined;
  readonly notAfterMs: number;
  readonly change: number;
}

/** How many changes a CRL has. */
export type CrlCount = Pick<StoredCrl, 'scope' | 'kind' | 'crlNumber' | 'changes'>;

/** Words that are added each by itself, modulo 2^32. */
export type Sum = Uint32Array;

const words = 8;
const sumBytes = 4 * words;
const rowBytes = serialNumberBytes + 5 * 8;
const nonceBytes = 16;

export function zeroSum(): Sum {
  return new Uint32Array(words);
}

export function addTo(sum: Sum, other: Sum, sign: 1 | -1 = 1): void {
  for (let i = 0; i < words; i += 1) sum[i] = (sum[i] ?? 0) + sign * (other[i] ?? 0);
}

/**
 * Seals the rows of a scope as a whole (ADR 0035): the sum of a keyed hash of each, which a change can be
 * added to, under a mask and a MAC. Without the key nobody knows what a row adds (Clarke et al., Incremental
 * Multiset Hash Functions, 2003). Faults: FAULT_STATUS_FORGED.
 */
export class ScopeSums {
  readonly #key: Uint8Array;
  /** By scope: its key and room for a row. */
  readonly #inputs = new Map<string, Buffer>();

  constructor(secret: Uint8Array) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'certmill status rows v1', 32));
  }

  /**
   * Key and row have one length always, so that a plain hash of both tells nothing of others.
   * Faults: FAULT_STATUS_FORGED where the serial number has another one.
   */
  ofRow(scope: CrlScope, row: SummedRow): Sum {
    if (row.serialNumber.length !== serialNumberBytes) {
      throw forgedStatus(`a serial number in ${nameOf(scope)} has another length`);
    }
    const input = this.#inputOf(scope);
    input.set(row.serialNumber, sumBytes);
    let at = sumBytes + serialNumberBytes;
    for (const number of [
      row.reason,
      row.revokedAtMs,
      row.invalidityDateMs ?? NaN,
      row.notAfterMs,
      row.change,
    ])
      at = input.writeDoubleBE(number, at);
    // As text: a buffer for each would take three times as long.
    const digest = hash('sha256', input, 'binary');
    const sum = zeroSum();
    for (let i = 0; i < sumBytes; i += 1) {
      sum[i >> 2] = ((sum[i >> 2] ?? 0) << 8) | digest.charCodeAt(i);
    }
    return sum;
  }

  seal(scope: CrlScope, changes: number, sum: Sum): Uint8Array {
    const nonce = randomBytes(nonceBytes);
    const masked = this.#mask(scope, nonce);
    addTo(masked, sum);
    const head = Buffer.concat([nonce, octetsOf(masked)]);
    return Buffer.concat([head, this.#mac(scope, changes, head)]);
  }

  /** The sum of the rows that were there with so many changes; a scope without any is sealed too. */
  open(scope: CrlScope, changes: number, sealed: Uint8Array): Sum {
    const head = sealed.subarray(0, nonceBytes + sumBytes);
    const mac = sealed.subarray(head.length);
    const expected = this.#mac(scope, changes, head);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) {
      throw forgedStatus(`what is said of ${nameOf(scope)} has another seal`);
    }
    const sum = zeroSum();
    const masked = Buffer.from(head.subarray(nonceBytes));
    for (let i = 0; i < words; i += 1) sum[i] = masked.readUInt32BE(4 * i);
    addTo(sum, this.#mask(scope, head.subarray(0, nonceBytes)), -1);
    return sum;
  }

  sealCrl({ scope, kind, crlNumber, changes }: CrlCount): Uint8Array {
    const parts = [...partsOf(scope), kind, String(crlNumber), String(changes)];
    return createHmac('sha256', this.#key)
      .update(framed(['crl', ...parts]))
      .digest();
  }

  isCrlSound(seal: Uint8Array, crl: CrlCount): boolean {
    const expected = this.sealCrl(crl);
    return seal.length === expected.length && timingSafeEqual(seal, expected);
  }

  #mask(scope: CrlScope, nonce: Uint8Array): Sum {
    const mask = createHmac('sha256', this.#key)
      .update(framed(['mask', ...partsOf(scope), nonce]))
      .digest();
    return Uint32Array.from({ length: words }, (_, i) => mask.readUInt32BE(4 * i));
  }

  #mac(scope: CrlScope, changes: number, head: Uint8Array): Buffer {
    return createHmac('sha256', this.#key)
      .update(framed(['head', ...partsOf(scope), String(changes), head]))
      .digest();
  }

  #inputOf(scope: CrlScope): Buffer {
    const name = nameOf(scope);
    const known = this.#inputs.get(name);
    if (known !== undefined) return known;
    const input = Buffer.alloc(sumBytes + rowBytes);
    createHmac('sha256', this.#key)
      .update(framed(['rows', ...partsOf(scope)]))
      .digest()
      .copy(input);
    this.#inputs.set(name, input);
    return input;
  }
}

export function isSameSum(one: Sum, other: Sum): boolean {
  return one.every((word, i) => word === other[i]);
}

export function nameOf({ issuer, shard }: CrlScope): string {
  return `${issuer}/${String(shard)}`;
}

function partsOf({ issuer, shard }: CrlScope): readonly string[] {
  return [issuer, String(shard)];
}

function octetsOf(sum: Sum): Buffer {
  const octets = Buffer.alloc(sumBytes);
  sum.forEach((word, i) => octets.writeUInt32BE(word, 4 * i));
  return octets;
}
