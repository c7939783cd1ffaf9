/**
 * A request in 64 bits: the sequence number of its batch (40 bits, from 1) and its index (24 bits),
 * as two unsigned halves.
 */
export interface Locator {
  readonly batchSeq: number;
  readonly index: number;
}

export function locatorHigh(batchSeq: number): number {
  return Math.floor(batchSeq / 0x100) >>> 0;
}

export function locatorLow(batchSeq: number, index: number): number {
  return (((batchSeq % 0x100) << 24) | index) >>> 0;
}

export function locatorOf(high: number, low: number): Locator {
  return { batchSeq: high * 0x100 + (low >>> 24), index: low & 0xff_ffff };
}
