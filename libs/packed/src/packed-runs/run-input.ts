import { closeSync, openSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import { wordsPerEntry } from './entry.js';
import { isPageIntact, pageBytes, pageWords } from './page.js';
import { releaseMemory } from './release-memory.js';
import { dataAt, entriesPerPage, pagesOf, readRunHeader, type RunHeader } from './run-format.js';
import { readWhole } from './whole-io.js';

const pagesPerRead = 32;

/** Reads a run's entries in order through a buffer of its own; every page is checked. */
export class RunInput {
  readonly header: RunHeader;
  /** The current entry is at word `at` of `words`; meaningless once `ended`. */
  readonly words = new Int32Array(pagesPerRead * pageWords);
  at = 0;
  ended = false;
  readonly #bytes = new Uint8Array(this.words.buffer);
  readonly #path: string;
  readonly #fd: number;
  #position = -1;
  #inPage = entriesPerPage - 1;
  #page = -1;
  #buffered = 0;

  /** Opens the run at its first entry. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
    try {
      this.header = readRunHeader(this.#fd, path);
      this.next();
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Moves to the next entry, or sets `ended`. */
  next(): void {
    this.#position += 1;
    if (this.#position >= this.header.count) {
      this.ended = true;
      return;
    }
    this.#inPage += 1;
    this.at += wordsPerEntry;
    if (this.#inPage === entriesPerPage) this.#nextPage();
  }

  close(): void {
    releaseMemory(this.words);
    closeSync(this.#fd);
  }

  #nextPage(): void {
    this.#page += 1;
    this.#inPage = 0;
    if (this.#page >= this.#buffered) this.#fill();
    this.at = (this.#page % pagesPerRead) * pageWords;
    if (!isPageIntact(this.words, this.#bytes, this.at, this.#page)) this.#damaged();
  }

  #fill(): void {
    const pages = Math.min(pagesPerRead, pagesOf(this.header) - this.#page);
    const bytes = this.#bytes.subarray(0, pages * pageBytes);
    if (!readWhole(this.#fd, bytes, dataAt + this.#page * pageBytes)) this.#damaged();
    this.#buffered = this.#page + pages;
  }

  #damaged(): never {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `page ${String(this.#page)} of ${this.#path} is damaged`,
    );
  }
}
