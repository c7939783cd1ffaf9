import { isUtf8 } from 'node:buffer';
import { LineSplitter } from './line-splitter.js';

const quote = 0x22;
const lineFeed = Buffer.from('\n');

export interface CsvConsumer {
  /** The cells of one record and the line where it begins. */
  record(cells: readonly string[], lineNumber: number): void;
  /** A record that cannot be read; the next one begins on the next line. */
  bad(reason: 'too-long' | 'not-utf8' | 'open-quote', lineNumber: number): void;
}

/**
 * Cuts a stream into CSV records (RFC 4180). The delimiter is the comma, or the semicolon or tab
 * where the first line has no comma. Empty lines are skipped, a byte order mark too. It holds one
 * record of at most `maxRecordBytes`; unlike a parser that gives up at the first bad quote, it goes
 * on behind it.
 */
export class CsvSplitter {
  readonly #maxRecordBytes: number;
  readonly #consumer: CsvConsumer;
  readonly #lines: LineSplitter;
  #delimiter = '';
  /** Lines of a record whose quoted cell is still open. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #openLine = 0;

  constructor(maxRecordBytes: number, consumer: CsvConsumer) {
    this.#maxRecordBytes = maxRecordBytes;
    this.#consumer = consumer;
    this.#lines = new LineSplitter(maxRecordBytes, {
      line: (bytes, start, end, lineNumber) => {
        this.#line(bytes, start, end, lineNumber);
      },
      tooLong: (lineNumber) => {
        this.#giveUp('too-long', lineNumber);
      },
    });
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    if (this.#open.length > 0) this.#giveUp('open-quote', this.#openLine);
  }

  #line(bytes: Buffer, start: number, end: number, lineNumber: number): void {
    if (this.#open.length === 0) {
      if (start === end) return;
      this.#openLine = lineNumber;
    }
    // A quoted cell is open exactly while the number of quotes is odd: "" inside one is two.
    const changes = isQuoteCountOdd(bytes, start, end);
    const isOpen = this.#open.length > 0 !== changes;
    if (this.#open.length === 0 && !isOpen) {
      this.#record(bytes.subarray(start, end), lineNumber);
      return;
    }
    this.#openBytes += end - start + 1;
    if (this.#openBytes > this.#maxRecordBytes) {
      this.#giveUp('too-long', this.#openLine);
      return;
    }
    this.#open.push(Buffer.from(bytes.subarray(start, end)), lineFeed);
    if (isOpen) return;
    const record = Buffer.concat(this.#open.slice(0, -1));
    this.#forget();
    this.#record(record, this.#openLine);
  }

  #giveUp(reason: 'too-long' | 'open-quote', lineNumber: number): void {
    const line = this.#open.length > 0 ? this.#openLine : lineNumber;
    this.#forget();
    this.#consumer.bad(reason, line);
  }

  #forget(): void {
    this.#open = [];
    this.#openBytes = 0;
  }

  #record(bytes: Buffer, lineNumber: number): void {
    if (!isUtf8(bytes)) {
      this.#consumer.bad('not-utf8', lineNumber);
      return;
    }
    const text = lineNumber === 1 ? bytes.toString().replace(/^\uFEFF/, '') : bytes.toString();
    if (this.#delimiter === '') this.#delimiter = delimiterOf(text);
    this.#consumer.record(cellsOf(text, this.#delimiter), lineNumber);
  }
}

function isQuoteCountOdd(bytes: Buffer, start: number, end: number): boolean {
  let isOdd = false;
  for (let i = start; i < end; i++) if (bytes[i] === quote) isOdd = !isOdd;
  return isOdd;
}

function delimiterOf(header: string): string {
  return [',', ';', '\t'].find((delimiter) => header.includes(delimiter)) ?? ',';
}

/**
 * A quote that does not begin a cell is an ordinary character, and so is text behind a quoted cell.
 */
function cellsOf(record: string, delimiter: string): string[] {
  const cells: string[] = [];
  for (let at = 0; at <= record.length; at++) {
    let cell = '';
    if (record[at] === '"') {
      const end = closingQuote(record, at + 1);
      cell = record.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    }
    const next = record.indexOf(delimiter, at);
    const end = next === -1 ? record.length : next;
    cells.push(cell + record.slice(at, end));
    at = end;
  }
  return cells;
}

function closingQuote(record: string, from: number): number {
  let at = record.indexOf('"', from);
  while (at !== -1 && record[at + 1] === '"') at = record.indexOf('"', at + 2);
  return at === -1 ? record.length : at;
}
