import { ByteWindow } from './byte-window.js';
import { decodeBase64 } from './decode-base64.js';
import type { InputItem, InputLimits } from './input-item.js';
import { judgeRequest, rejectedItem, tooLarge } from './judge-request.js';

const begin = Buffer.from('-----BEGIN ');
const dashes = Buffer.from('-----');
const lineFeed = 0x0a;
/** Longer than any label of RFC 7468 4 and of OpenSSL: what runs over is text. */
const maxLabelBytes = 64;

/** RFC 7468 7, and the label that Netscape, Java's keytool and old OpenSSL write. */
const requestLabels = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);

export type SourceOfLine = (lineNumber: number) => string;

/**
 * Cuts a stream into PEM blocks (RFC 7468, lax form: text around, CRLF, headers of RFC 1421 inside)
 * and judges each. Text between blocks is skipped; a block of another label becomes a rejection at
 * its BEGIN line, and its contents are passed over as text, neither decoded nor kept.
 * It holds at most one block of `maxLineBytes`.
 */
export class PemSplitter {
  readonly #limits: InputLimits;
  readonly #emit: (item: InputItem) => void;
  readonly #sourceOf: SourceOfLine;
  readonly #deviceId: string;
  readonly #window = new ByteWindow();
  /** Label of the request block whose body begins at the window's start; '' between blocks. */
  #label = '';
  #bodyLine = 0;
  /** Octets of the window that were searched for the end of the body. */
  #searched = 0;
  #line = 1;
  #hasText = false;
  #hasBlock = false;

  constructor(
    limits: InputLimits,
    sourceOf: SourceOfLine,
    emit: (item: InputItem) => void,
    deviceId = '',
  ) {
    this.#limits = limits;
    this.#sourceOf = sourceOf;
    this.#emit = emit;
    this.#deviceId = deviceId;
  }

  push(chunk: Uint8Array): void {
    this.#window.append(chunk);
    while (this.#label === '' ? this.#findBegin() : this.#findEnd());
  }

  /** Emits what the end of the stream cut, or that there was no PEM at all. */
  end(): void {
    const { bytes, start, end } = this.#window;
    if (this.#label !== '') {
      this.#reject(this.#bodyLine, 'CSR_DER_MALFORMED', 'the PEM block has no END line');
    } else if (bytes.subarray(start, end).indexOf(begin) === 0) {
      this.#reject(this.#line, 'CSR_DER_MALFORMED', 'the PEM block is cut in its BEGIN line');
    } else if (!this.#hasBlock) {
      this.#skipText(end);
      if (this.#hasText) this.#reject(1, 'INPUT_NOT_A_CSR', 'there is no PEM block in the text');
    }
  }

  /** True where it went on and more can be done with what is there. */
  #findBegin(): boolean {
    const window = this.#window;
    const at = indexIn(window, begin, window.start);
    if (at === -1) {
      this.#skipText(Math.max(window.start, window.end - begin.length + 1));
      return false;
    }
    this.#skipText(at);
    const labelStart = at + begin.length;
    const bound = labelStart + maxLabelBytes;
    const labelEnd = indexIn(window, dashes, labelStart, bound + dashes.length);
    const lineEnd = indexIn(window, lineFeed, labelStart, bound + dashes.length);
    const isLabel = labelEnd !== -1 && (lineEnd === -1 || labelEnd < lineEnd);
    if (!isLabel) {
      const canGrow = lineEnd === -1 && labelEnd === -1 && window.end < bound + dashes.length;
      if (!canGrow) this.#skipText(labelStart);
      return !canGrow;
    }
    const label = window.bytes.toString('latin1', labelStart, labelEnd).trim();
    window.consume(labelEnd + dashes.length - window.start);
    this.#beginBlock(label);
    return true;
  }

  #beginBlock(label: string): void {
    this.#hasBlock = true;
    this.#bodyLine = this.#line;
    this.#searched = 0;
    if (requestLabels.has(label)) this.#label = label;
    else if (label.includes('PRIVATE KEY')) {
      this.#reject(this.#line, 'PRIVATE_KEY_SUBMITTED', 'a PEM private key; it was dropped unread');
    } else {
      const shown = /^[A-Z0-9 ]+$/.test(label) ? `"${label}"` : 'of an unknown label';
      this.#reject(this.#line, 'INPUT_NOT_A_CSR', `the PEM block is ${shown}, not a request`);
    }
  }

  #findEnd(): boolean {
    const window = this.#window;
    const at = indexIn(window, dashes, window.start + this.#searched);
    const bodyEnd = at === -1 ? window.end - dashes.length + 1 : at;
    if (bodyEnd - window.start > this.#limits.maxLineBytes) {
      this.#closeBlock(
        tooLarge(
          this.#sourceOf(this.#bodyLine),
          this.#deviceId,
          'the PEM block',
          this.#limits.maxLineBytes,
        ),
      );
      return true;
    }
    if (at === -1) {
      this.#searched = Math.max(0, window.length - dashes.length + 1);
      return false;
    }
    const boundary = `-----END ${this.#label}-----`;
    if (window.end - at < boundary.length) {
      const sofar = window.bytes.toString('latin1', at, window.end);
      if (boundary.startsWith(sofar)) {
        this.#searched = at - window.start;
        return false;
      }
    }
    const isEnd = window.bytes.toString('latin1', at, at + boundary.length) === boundary;
    const item = isEnd ? this.#decode(window.start, at) : this.#withoutEnd();
    this.#closeBlock(item);
    // Any other dashes may begin the next block, so they are looked at again as text.
    this.#skipText(isEnd ? at + boundary.length : at);
    return true;
  }

  #withoutEnd(): InputItem {
    const source = this.#sourceOf(this.#bodyLine);
    const detail = 'the PEM block has no END line of its own label';
    return rejectedItem(source, this.#deviceId, 'CSR_DER_MALFORMED', detail);
  }

  #closeBlock(item: InputItem): void {
    this.#label = '';
    this.#emit(item);
  }

  #decode(start: number, end: number): InputItem {
    const { bytes } = this.#window;
    const out = Buffer.allocUnsafe(Math.ceil(((end - start) * 3) / 4));
    let length = decodeBase64(bytes, start, end, out, 0);
    if (length === -1) length = decodeBase64(bytes, endOfHeaders(bytes, start, end), end, out, 0);
    const source = this.#sourceOf(this.#bodyLine);
    if (length === -1) {
      const detail = 'the PEM block is not base64';
      return rejectedItem(source, this.#deviceId, 'CSR_DER_MALFORMED', detail);
    }
    return judgeRequest(out.subarray(0, length), this.#deviceId, source, this.#limits);
  }

  #reject(
    line: number,
    code: 'CSR_DER_MALFORMED' | 'INPUT_NOT_A_CSR' | 'PRIVATE_KEY_SUBMITTED',
    detail: string,
  ): void {
    this.#emit(rejectedItem(this.#sourceOf(line), this.#deviceId, code, detail));
  }

  /** Passes over octets up to `end`, counting lines. */
  #skipText(end: number): void {
    const { bytes, start } = this.#window;
    for (let i = start; i < end; i++) {
      const octet = bytes[i] as number;
      if (octet === lineFeed) this.#line++;
      else if (octet > 0x20) this.#hasText = true;
    }
    this.#window.consume(end - start);
  }
}

function indexIn(
  window: ByteWindow,
  needle: Buffer | number,
  from: number,
  bound = window.end,
): number {
  const at = window.bytes.subarray(from, Math.min(bound, window.end)).indexOf(needle);
  return at === -1 ? -1 : from + at;
}

/** Headers of RFC 1421 4.4 end at the first empty line; without one there are none. */
function endOfHeaders(bytes: Buffer, start: number, end: number): number {
  const body = bytes.toString('latin1', start, end);
  const headers = /^\s*[A-Za-z0-9-]+:[^]*?\r?\n[ \t]*\r?\n/.exec(body);
  return headers === null ? start : start + headers[0].length;
}
