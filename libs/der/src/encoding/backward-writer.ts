import { CertmillDerError } from './der-error.js';
import {
  writeTimeContent,
  UTC_TIME_OCTETS,
  GENERALIZED_TIME_OCTETS,
  isUtcTimeYear,
} from './der-time.js';
import { tags } from './tags.js';

const NO_BYTES = new Uint8Array(0);

/**
 * Writes DER from its end to its start: content first, then the header, whose length is known by
 * then. One pass, no sizes computed ahead, no copies. The buffer is the caller's.
 */
export class BackwardWriter {
  out: Uint8Array = NO_BYTES;
  /** First octet of what has been written so far. */
  position = 0;
  private limit = 0;

  /** Starts a document that ends before `end` and may not go below `limit`. */
  reset(out: Uint8Array, end: number, limit: number): void {
    if (!(limit >= 0 && limit <= end && end <= out.length)) {
      throw new CertmillDerError('no-room', 'the range to write to is not in the buffer');
    }
    this.out = out;
    this.position = end;
    this.limit = limit;
  }

  /** Forgets the buffer, so that a long-lived writer does not keep it alive. */
  release(): void {
    this.out = NO_BYTES;
  }

  /** Moves down by `octets` and returns the new position. */
  claim(octets: number): number {
    const position = this.position - octets;
    if (position < this.limit) {
      throw new CertmillDerError('no-room', 'the document does not fit before its end');
    }
    this.position = position;
    return position;
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    const position = this.claim(end - start);
    // Up to some 60 octets a loop beats the view that TypedArray.set needs for a range.
    if (end - start <= 64) {
      for (let index = start, to = position; index < end; index += 1, to += 1) {
        this.out[to] = source[index] as number;
      }
    } else if (start === 0 && end === source.length) {
      this.out.set(source, position);
    } else {
      this.out.set(source.subarray(start, end), position);
    }
  }

  /** Text in one octet per character up to U+007F, else UTF-8; returns whether it was all ASCII. */
  text(text: string): boolean {
    const position = this.claim(text.length);
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) {
        this.position = position + text.length;
        this.utf8(text);
        return false;
      }
      this.out[position + index] = code;
    }
    return true;
  }

  /** The first `length` characters, none above U+00FF, in one octet each. */
  latin1(text: string, length: number): void {
    const position = this.claim(length);
    for (let index = 0; index < length; index += 1) {
      this.out[position + index] = text.charCodeAt(index);
    }
  }

  private utf8(text: string): void {
    const encoded = Buffer.from(text, 'utf8');
    this.bytes(encoded, 0, encoded.length);
  }

  /** Identifier and length of what lies between the position and `contentEnd`. */
  header(tag: number, contentEnd: number): void {
    const length = contentEnd - this.position;
    if (length < 0x80) {
      const position = this.claim(2);
      this.out[position] = tag;
      this.out[position + 1] = length;
      return;
    }
    const octets = length < 0x100 ? 1 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 3 : 4;
    const position = this.claim(2 + octets);
    this.out[position] = tag;
    this.out[position + 1] = 0x80 | octets;
    for (let index = octets + 1, rest = length; index > 1; index -= 1, rest >>>= 8) {
      this.out[position + index] = rest & 0xff;
    }
  }

  /** Time of RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on. */
  time(epochSeconds: number): void {
    const isUtcTime = isUtcTimeYear(epochSeconds);
    const contentEnd = this.position;
    const position = this.claim(isUtcTime ? UTC_TIME_OCTETS : GENERALIZED_TIME_OCTETS);
    writeTimeContent(this.out, position, epochSeconds);
    this.header(isUtcTime ? tags.utcTime : tags.generalizedTime, contentEnd);
  }

  /** A positive INTEGER from a big-endian magnitude of at most `maxOctets` content octets. */
  positiveInteger(source: Uint8Array, start: number, end: number, maxOctets: number): void {
    let first = start;
    while (first < end && source[first] === 0) first += 1;
    const contentEnd = this.position;
    if (first === end) throw new CertmillDerError('slot-value-invalid', 'an integer is zero');
    this.bytes(source, first, end);
    if ((source[first] as number) >= 0x80) this.out[this.claim(1)] = 0;
    if (contentEnd - this.position > maxOctets) {
      throw new CertmillDerError('slot-value-invalid', 'an integer has too many octets');
    }
    this.header(tags.integer, contentEnd);
  }
}
