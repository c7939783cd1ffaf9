import { closeSync, fsyncSync, openSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { wordsPerEntry } from './entry.js';
import { addToFilter, filterWordsFor } from './filter.js';
import { pageBytes, pageWords, sealPage } from './page.js';
import {
  dataAt,
  encodeRunHeader,
  entriesPerPage,
  fencesAt,
  filterAt,
  type RunHeader,
  type RunKind,
} from './run-format.js';
import { releaseMemory } from './release-memory.js';
import { syncDirectory, writeWhole } from './whole-io.js';

export interface RunShape {
  readonly kind: RunKind;
  readonly level: number;
  readonly filterBitsPerEntry: number;
  /** Whether a run is on the disk, not just written, when it is done. */
  readonly isDurable: boolean;
}

/** What a reader keeps in memory: handed over (its buffers can be transferred), not read again. */
export interface WrittenRun {
  readonly header: RunHeader;
  readonly filter: Int32Array<ArrayBuffer>;
  readonly fences: Int32Array<ArrayBuffer>;
}

const pagesPerWrite = 64;

/** Writes a run file front to back from entries that come in order. Throws what node:fs throws. */
export class RunOutput {
  readonly #path: string;
  readonly #shape: RunShape;
  readonly #fd: number;
  readonly #words = new Int32Array(pagesPerWrite * pageWords);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #filter: Int32Array<ArrayBuffer>;
  readonly #fences: Int32Array<ArrayBuffer>;
  #count = 0;
  #page = 0;
  #inPage = 0;
  /** First page of the write buffer. */
  #firstBuffered = 0;

  /** @param maxEntries Sizes the filter; fewer may come. The file MUST NOT exist. */
  constructor(path: string, shape: RunShape, maxEntries: number) {
    this.#path = path;
    this.#shape = shape;
    const filterWords = filterWordsFor(maxEntries, shape.filterBitsPerEntry);
    this.#filter = new Int32Array(filterWords);
    this.#fences = new Int32Array(Math.ceil(maxEntries / entriesPerPage));
    this.#fd = openSync(path, 'wx');
  }

  /** Appends the entry at word `at` of `source`, in key order, of equal keys the newest first. */
  append(source: Int32Array, at: number): void {
    const words = this.#words;
    let to = (this.#page - this.#firstBuffered) * pageWords + this.#inPage * wordsPerEntry;
    if (this.#inPage === 0) this.#fences[this.#page] = source[at] as number;
    addToFilter(
      this.#filter,
      source[at] as number,
      source[at + 1] as number,
      source[at + 2] as number,
    );
    for (let word = 0; word < wordsPerEntry; word += 1) {
      words[to] = source[at + word] as number;
      to += 1;
    }
    this.#count += 1;
    this.#inPage += 1;
    if (this.#inPage === entriesPerPage) this.#endPage();
  }

  /** Pages begun so far: a measure of the work done. */
  get pages(): number {
    return this.#page;
  }

  /** The run is durable (where that is asked for), and its name too, once this returns. */
  finish(): WrittenRun {
    if (this.#inPage > 0) this.#endPage();
    this.#writeBuffer();
    const fences = this.#fences.subarray(0, this.#page);
    const filterBytes = bytesOf(this.#filter);
    const fencesBytes = bytesOf(fences);
    const header: RunHeader = {
      kind: this.#shape.kind,
      level: this.#shape.level,
      count: this.#count,
      filterWords: this.#filter.length,
      filterCrc: crc32(filterBytes) | 0,
      fencesCrc: crc32(fencesBytes) | 0,
    };
    writeWhole(this.#fd, filterBytes, filterAt(header));
    writeWhole(this.#fd, fencesBytes, fencesAt(header));
    writeWhole(this.#fd, encodeRunHeader(header), 0);
    if (this.#shape.isDurable) fsyncSync(this.#fd);
    closeSync(this.#fd);
    if (this.#shape.isDurable) syncDirectory(dirname(this.#path));
    releaseMemory(this.#words);
    return { header, filter: this.#filter, fences };
  }

  /** Gives up: closes and removes the file as far as the disk lets it. */
  abandon(): void {
    for (const step of [() => closeSync(this.#fd), () => unlinkSync(this.#path)]) {
      try {
        step();
      } catch {
        // The fault that led here is reported; what is left is removed at the next start.
      }
    }
  }

  #endPage(): void {
    const at = (this.#page - this.#firstBuffered) * pageWords;
    sealPage(this.#words, this.#bytes, at, this.#page);
    this.#page += 1;
    this.#inPage = 0;
    if (this.#page - this.#firstBuffered === pagesPerWrite) this.#writeBuffer();
  }

  #writeBuffer(): void {
    const pages = this.#page - this.#firstBuffered;
    if (pages > 0) {
      writeWhole(
        this.#fd,
        this.#bytes.subarray(0, pages * pageBytes),
        dataAt + this.#firstBuffered * pageBytes,
      );
    }
    this.#firstBuffered = this.#page;
    this.#words.fill(0);
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
