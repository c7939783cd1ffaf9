import type { WriteStream } from 'node:tty';

type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

const toColumnOneAndClear = '\r\u001b[2K';

/** Lines, and below them one that changes: rewritten on a terminal, one after the other elsewhere. */
export class LiveLine {
  readonly #output: Output;
  #shown = '';

  constructor(output: Output) {
    this.#output = output;
  }

  get isTerminal(): boolean {
    return this.#output.isTTY === true;
  }

  say(text: string): void {
    const before = this.#shown === '' ? '' : toColumnOneAndClear;
    this.#output.write(`${before}${text}\n${this.#shown}`);
  }

  update(text: string): void {
    if (!this.isTerminal) {
      this.#output.write(`${text}\n`);
      return;
    }
    // One that wraps could not be rewritten.
    this.#shown = text.slice(0, (this.#output.columns ?? 80) - 1);
    this.#output.write(toColumnOneAndClear + this.#shown);
  }

  /** What follows stands on lines of its own. */
  clear(): void {
    if (this.#shown !== '') this.#output.write(toColumnOneAndClear);
    this.#shown = '';
  }
}
