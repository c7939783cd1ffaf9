const NO_BYTES = new Uint8Array(0);

const ABSENT = 0;
const BYTES = 1;
const TEXT = 2;
const NUMBER = 3;

/**
 * The values of a template's slots, by slot index. Owned and reused by the caller, so that writing
 * a certificate makes no garbage; byte values are references, to be valid until `write` returns.
 */
export class SlotValues {
  private readonly kinds: Uint8Array;
  private readonly sources: Uint8Array[];
  private readonly starts: number[];
  private readonly ends: number[];
  private readonly texts: string[];

  constructor(slotCount: number) {
    this.kinds = new Uint8Array(slotCount);
    this.sources = Array.from({ length: slotCount }, () => NO_BYTES);
    this.starts = Array.from({ length: slotCount }, () => 0);
    this.ends = Array.from({ length: slotCount }, () => 0);
    this.texts = Array.from({ length: slotCount }, () => '');
  }

  setBytes(index: number, bytes: Uint8Array): void {
    this.setRange(index, bytes, 0, bytes.length);
  }

  /** `bytes[start, end)`, such as the key in a received CSR, without a view being made. */
  setRange(index: number, bytes: Uint8Array, start: number, end: number): void {
    this.kinds[index] = BYTES;
    this.sources[index] = bytes;
    this.starts[index] = start;
    this.ends[index] = end;
  }

  setText(index: number, text: string): void {
    this.kinds[index] = TEXT;
    this.texts[index] = text;
  }

  /** Epoch seconds of a `time` slot. */
  setSeconds(index: number, epochSeconds: number): void {
    this.kinds[index] = NUMBER;
    this.starts[index] = epochSeconds;
  }

  clear(index: number): void {
    this.kinds[index] = ABSENT;
    this.sources[index] = NO_BYTES;
  }

  /** Forgets all values and the buffers they refer to. */
  clearAll(): void {
    this.kinds.fill(ABSENT);
    this.sources.fill(NO_BYTES);
  }

  isPresent(index: number): boolean {
    return this.kinds[index] !== ABSENT;
  }

  isBytes(index: number): boolean {
    return this.kinds[index] === BYTES;
  }

  isText(index: number): boolean {
    return this.kinds[index] === TEXT;
  }

  isSeconds(index: number): boolean {
    return this.kinds[index] === NUMBER;
  }

  source(index: number): Uint8Array {
    return this.sources[index] as Uint8Array;
  }

  start(index: number): number {
    return this.starts[index] as number;
  }

  end(index: number): number {
    return this.ends[index] as number;
  }

  text(index: number): string {
    return this.texts[index] as string;
  }

  seconds(index: number): number {
    return this.starts[index] as number;
  }
}
