import type { DerErrorCode, DerResult } from './der-error.js';
import { tags } from './tags.js';

/** Elements nested deeper than this are refused: no PKIX structure needs more (X.509 names: 6). */
export const MAX_DEPTH = 16;

/** Default limit of one input: a CSR with an RSA-4096 key and a large SAN is below 8 KiB. */
export const MAX_INPUT_BYTES = 65_536;

const NO_BYTES = new Uint8Array(0);

/**
 * A strict DER cursor (X.690 8 and 10): definite minimal lengths, single-octet tags. It copies
 * nothing and never throws: a method that fails returns false (or -1), keeps the first error in
 * `errorCode` and `errorOffset`, and the caller unwinds. It never reads at or past the limit it is
 * given. One instance serves any number of inputs; `bytes` stays the caller's.
 */
export class DerReader {
  bytes: Uint8Array = NO_BYTES;
  /** Where the next element is read. */
  position = 0;
  /** The element that `header` read last. */
  tag = 0;
  elementStart = 0;
  contentStart = 0;
  contentEnd = 0;
  errorCode: DerErrorCode | undefined = undefined;
  errorOffset = -1;

  /** Points the cursor at `bytes[start, end)`; false when that is no range or is over the limit. */
  reset(bytes: Uint8Array, start: number, end: number, maxBytes = MAX_INPUT_BYTES): boolean {
    this.bytes = bytes;
    this.position = start;
    this.errorCode = undefined;
    this.errorOffset = -1;
    if (!(start >= 0 && start <= end && end <= bytes.length)) return this.fail('truncated', start);
    return end - start <= maxBytes || this.fail('too-large', start);
  }

  /** Forgets the input, so that a long-lived reader does not keep a chunk alive. */
  release(): void {
    this.bytes = NO_BYTES;
  }

  fail(code: DerErrorCode, offset: number): false {
    if (this.errorCode === undefined) {
      this.errorCode = code;
      this.errorOffset = offset;
    }
    return false;
  }

  /** The error as a result; call it only after a method has failed. */
  failure<T>(): DerResult<T> {
    return {
      ok: false,
      error: { code: this.errorCode ?? 'truncated', offset: this.errorOffset },
    };
  }

  /** The octet at `offset`, which the caller has checked to be inside the input. */
  octet(offset: number): number {
    return this.bytes[offset] as number;
  }

  /** The identifier octet at the position, or -1 at the limit. */
  peek(limit: number): number {
    return this.position < limit ? this.octet(this.position) : -1;
  }

  /** Reads identifier and length of the element at the position, which stays where it is. */
  header(limit: number): boolean {
    const { bytes, position: start } = this;
    if (start + 2 > limit) return this.fail('truncated', start);
    const tag = bytes[start] as number;
    if ((tag & 0x1f) === 0x1f || tag === 0) return this.fail('tag-unsupported', start);
    let length = bytes[start + 1] as number;
    let contentStart = start + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0) return this.fail('indefinite-length', start + 1);
      if (octets === 0x7f) return this.fail('length-not-minimal', start + 1);
      if (contentStart + octets > limit) return this.fail('truncated', start);
      const first = bytes[contentStart] as number;
      if (first === 0) return this.fail('length-not-minimal', start + 1);
      if (octets > 4) return this.fail('truncated', start);
      length = first;
      for (let index = 1; index < octets; index += 1) {
        length = length * 256 + (bytes[contentStart + index] as number);
      }
      if (length < 0x80) return this.fail('length-not-minimal', start + 1);
      contentStart += octets;
    }
    if (length > limit - contentStart) return this.fail('truncated', start);
    this.tag = tag;
    this.elementStart = start;
    this.contentStart = contentStart;
    this.contentEnd = contentStart + length;
    return true;
  }

  /** `header` that also demands a tag. */
  expect(tag: number, limit: number): boolean {
    if (!this.header(limit)) return false;
    return this.tag === tag || this.fail('unexpected-tag', this.elementStart);
  }

  /** Enters an element: the position moves to its content; returns its end, or -1. */
  open(tag: number, limit: number): number {
    if (!this.expect(tag, limit)) return -1;
    this.position = this.contentStart;
    return this.contentEnd;
  }

  /** Leaves an element whose end is `end`: nothing may be left in it. */
  close(end: number): boolean {
    return this.position === end || this.fail('trailing-bytes', this.position);
  }

  /** Passes over an element whose content the caller looks at or leaves alone. */
  skip(tag: number, limit: number): boolean {
    if (!this.expect(tag, limit)) return false;
    this.position = this.contentEnd;
    return true;
  }

  /** INTEGER with minimal content (X.690 8.3.2). */
  integer(limit: number): boolean {
    return this.skip(tags.integer, limit) && this.checkInteger();
  }

  /** INTEGER between 0 and `maximum` (below 2^31), or -1. */
  smallInteger(limit: number, maximum: number): number {
    if (!this.integer(limit)) return -1;
    let value = 0;
    if (this.contentEnd - this.contentStart <= 4 && this.octet(this.contentStart) < 0x80) {
      for (let index = this.contentStart; index < this.contentEnd; index += 1) {
        value = value * 256 + this.octet(index);
      }
      if (value <= maximum) return value;
    }
    this.fail('integer-out-of-range', this.elementStart);
    return -1;
  }

  /** OBJECT IDENTIFIER with minimal sub-identifiers (X.690 8.19.2). */
  objectIdentifier(limit: number): boolean {
    return this.skip(tags.objectIdentifier, limit) && this.checkObjectIdentifier();
  }

  /** After `header`: the element as `[n]` IMPLICIT OBJECT IDENTIFIER, which is passed over. */
  implicitObjectIdentifier(): boolean {
    this.position = this.contentEnd;
    return this.checkObjectIdentifier();
  }

  /** BIT STRING of whole octets; afterwards the content range is without the unused-bits octet. */
  wholeBitString(limit: number): boolean {
    if (!this.skip(tags.bitString, limit)) return false;
    if (this.contentStart === this.contentEnd || this.octet(this.contentStart) !== 0) {
      return this.fail('bad-bit-string', this.elementStart);
    }
    this.contentStart += 1;
    return true;
  }

  /** BOOLEAN (X.690 11.1): 1, 0, or -1. */
  boolean(limit: number): number {
    if (!this.skip(tags.boolean, limit) || !this.checkBoolean()) return -1;
    return this.octet(this.contentStart) & 1;
  }

  /** One element of any type, with all that is in it, `depth` levels down. */
  any(limit: number, depth: number): boolean {
    if (!this.header(limit)) return false;
    if (depth > MAX_DEPTH) return this.fail('too-deep', this.elementStart);
    const isConstructed = (this.tag & 0x20) !== 0;
    if (this.tag < 0x40 && !this.checkUniversal(isConstructed)) return false;
    const end = this.contentEnd;
    if (!isConstructed) {
      this.position = end;
      return true;
    }
    this.position = this.contentStart;
    while (this.position < end) if (!this.any(end, depth + 1)) return false;
    return true;
  }

  /** Whether the last element's content is exactly `content`. */
  contentIs(content: Uint8Array): boolean {
    const length = content.length;
    if (this.contentEnd - this.contentStart !== length) return false;
    // From the end: object identifiers differ there.
    const { bytes, contentStart } = this;
    for (let index = length - 1; index >= 0; index -= 1) {
      if (bytes[contentStart + index] !== content[index]) return false;
    }
    return true;
  }

  /** After `skip` of a BIT STRING: unused bits are 0 to 7, zero (X.690 11.2.1), none if empty. */
  checkBitString(): boolean {
    const length = this.contentEnd - this.contentStart;
    const unused = length === 0 ? 8 : this.octet(this.contentStart);
    if (unused > 7 || (length === 1 && unused !== 0)) {
      return this.fail('bad-bit-string', this.elementStart);
    }
    const isPaddingZero = (this.octet(this.contentEnd - 1) & ((1 << unused) - 1)) === 0;
    return unused === 0 || isPaddingZero || this.fail('bad-bit-string', this.elementStart);
  }

  private checkUniversal(isConstructed: boolean): boolean {
    switch (this.tag & 0x1f) {
      case 0x08: // EXTERNAL
      case 0x0b: // EMBEDDED PDV
      case 0x10: // SEQUENCE
      case 0x11: // SET
        return isConstructed || this.fail('unexpected-tag', this.elementStart);
      default:
        if (isConstructed) return this.fail('constructed-string', this.elementStart);
    }
    switch (this.tag) {
      case tags.boolean:
        return this.checkBoolean();
      case tags.integer:
      case tags.enumerated:
        return this.checkInteger();
      case tags.bitString:
        return this.checkBitString();
      case tags.null:
        return this.contentStart === this.contentEnd || this.fail('bad-null', this.elementStart);
      case tags.objectIdentifier:
        return this.checkObjectIdentifier();
      default:
        return true;
    }
  }

  private checkBoolean(): boolean {
    if (this.contentEnd - this.contentStart !== 1) {
      return this.fail('bad-boolean', this.elementStart);
    }
    const value = this.octet(this.contentStart);
    return value === 0xff || value === 0 || this.fail('bad-boolean', this.elementStart);
  }

  private checkInteger(): boolean {
    const start = this.contentStart;
    const length = this.contentEnd - start;
    if (length === 1) return true;
    if (length === 0) return this.fail('integer-not-minimal', this.elementStart);
    const first = this.octet(start);
    const isSecondHigh = this.octet(start + 1) >= 0x80;
    return (
      !((first === 0 && !isSecondHigh) || (first === 0xff && isSecondHigh)) ||
      this.fail('integer-not-minimal', this.elementStart)
    );
  }

  private checkObjectIdentifier(): boolean {
    const { bytes, contentEnd } = this;
    let isFirst = true;
    for (let index = this.contentStart; index < contentEnd; index += 1) {
      const octet = bytes[index] as number;
      if (isFirst && octet === 0x80) return this.fail('bad-oid', this.elementStart);
      isFirst = octet < 0x80;
    }
    return (
      (isFirst && this.contentStart < this.contentEnd) || this.fail('bad-oid', this.elementStart)
    );
  }
}

/**
 * The dotted form of the content of an OBJECT IDENTIFIER that a reader has checked. Arcs are of
 * any size (2.25 holds UUIDs).
 */
export function decodeOid(bytes: Uint8Array, start: number, end: number): string {
  let dotted = '';
  let arc = 0;
  let wideArc: bigint | undefined;
  for (let index = start; index < end; index += 1) {
    const octet = bytes[index] as number;
    if (wideArc === undefined && arc < 2 ** 45) arc = arc * 128 + (octet & 0x7f);
    else wideArc = ((wideArc ?? BigInt(arc)) << 7n) | BigInt(octet & 0x7f);
    if (octet >= 0x80) continue;
    if (dotted === '') {
      const root = wideArc !== undefined || arc >= 80 ? 2 : Math.floor(arc / 40);
      dotted = `${root}.${wideArc === undefined ? arc - root * 40 : wideArc - 80n}`;
    } else {
      dotted += `.${wideArc ?? arc}`;
    }
    arc = 0;
    wideArc = undefined;
  }
  return dotted;
}

/** The value of the content of an INTEGER that a reader has checked. */
export function decodeInteger(bytes: Uint8Array, start: number, end: number): bigint {
  let value = 0n;
  for (let index = start; index < end; index += 1) {
    value = (value << 8n) | BigInt(bytes[index] as number);
  }
  return BigInt.asIntN((end - start) * 8, value);
}
