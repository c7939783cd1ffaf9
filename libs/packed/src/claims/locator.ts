/**
 * A request in 64 bits, as two unsigned halves: 40 bits (from 1) say in what, 24 bits where in it.
 * The embedded store counts batches and takes the index, the fleet counts the entries of a journal.
 */
export interface Locator {
  readonly seq: number;
  readonly index: number;
}

export function locatorHigh(seq: number): number {
  return Math.floor(seq / 0x100) >>> 0;
}

export function locatorLow(seq: number, index: number): number {
  return (((seq % 0x100) << 24) | index) >>> 0;
}

export function locatorOf(high: number, low: number): Locator {
  return { seq: high * 0x100 + (low >>> 24), index: low & 0xff_ffff };
}
