import { addAbortSignal, type Readable } from 'node:stream';
import { styleText } from 'node:util';
import { openBar } from './bar-progress.js';
import { exitCodes, type ExitCode } from './exit-codes.js';
import type { OutputStream } from './output-stream.js';
import { openPlainLines } from './plain-progress.js';
import { silent, type Progress } from './progress.js';
import { shownJson, shownText } from './shown-text.js';

export type Style = Parameters<typeof styleText>[0];

/** The surroundings of the process; tests pass their own. */
export interface Surroundings {
  readonly stdin: Readable;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Where a command reads and writes. Results go to stdout. With `--json` stdout carries exactly one
 * JSON object and all that people read goes to stderr; so does the progress, always.
 */
export class Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first SIGINT or SIGTERM: stop cleanly, keep what can be resumed. */
  readonly signal: AbortSignal;
  /** What the process ends with unless the command throws. */
  exitCode: ExitCode = exitCodes.ok;

  readonly #stdin: Readable;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  #isJson = false;
  #reported = false;
  #result: object | undefined;
  #progress: Progress = silent;
  readonly #held: (() => void)[] = [];

  constructor(surroundings: Surroundings, signal: AbortSignal) {
    this.#stdin = surroundings.stdin;
    this.env = surroundings.env;
    this.#stdout = surroundings.stdout;
    this.#stderr = surroundings.stderr;
    this.signal = signal;
  }

  /** True where stdout carries one JSON object only. */
  get isJson(): boolean {
    return this.#isJson;
  }

  /** What the command has reported so far. */
  get result(): object | undefined {
    return this.#result;
  }

  /** Called by the frame once `--json` was parsed. */
  useJson(): void {
    this.#isJson = true;
  }

  /** Standard input; an AbortError where the command is told to stop. */
  async *readStdin(): AsyncGenerator<Uint8Array> {
    yield* addAbortSignal(this.signal, this.#stdin) as AsyncIterable<Uint8Array>;
  }

  /** True where a person watches: progress is a bar then. */
  get isInteractive(): boolean {
    return this.#stderr.isTTY === true;
  }

  /** A line for people: stdout, or stderr with `--json`. */
  say(line = ''): void {
    this.#write(this.#forPeople, line);
  }

  /** A line beside the result: always stderr. */
  note(line: string): void {
    this.#write(this.#stderr, line);
  }

  /** Colours only where `say` meets a terminal, or as NO_COLOR and FORCE_COLOR say. */
  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#forPeople });
  }

  /** The same for `note`. */
  styleNote(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stderr });
  }

  /**
   * The result of the command, once: the value as one JSON object with `--json`, else the lines.
   * @param value MUST hold no key or passphrase, except a credential that was just made.
   */
  report(value: object, lines: readonly string[]): void {
    this.#result = value;
    if (this.#isJson) {
      this.#reported = true;
      this.#writeOut(this.#stdout, shownJson(JSON.stringify(value)));
    } else {
      for (const line of lines) this.say(line);
    }
  }

  /** One coded line on stderr; with `--json` an object with `error` too, unless a result is out. */
  reportFailure(code: string, message: string): void {
    const label = this.styleNote(['red', 'bold'], `error ${code}:`);
    this.note(`${label} ${message}`);
    if (this.#isJson && !this.#reported) this.report({ error: { code, message } }, []);
  }

  /**
   * Shows how far the command is until it is stopped (`using` stops it). One at a time.
   * @param label what is counted, e.g. `issued`.
   */
  progress(label: string): Progress {
    this.#progress.stop();
    this.#progress = this.isInteractive
      ? openBar(this.#stderr, label)
      : openPlainLines((line) => this.note(line), label);
    return this.#progress;
  }

  /** Leaves the screen as a shell expects it; before an end that skips `finally`. */
  restore(): void {
    this.#progress.stop();
  }

  /** Gives something back once the command has ended, well or not. */
  atEnd(release: () => void): void {
    this.#held.push(release);
  }

  /** The command has ended. */
  end(): void {
    for (const release of this.#held.splice(0)) release();
  }

  get #forPeople(): OutputStream {
    return this.#isJson ? this.#stderr : this.#stdout;
  }

  #write(stream: OutputStream, line: string): void {
    this.#writeOut(stream, shownText(line));
  }

  #writeOut(stream: OutputStream, line: string): void {
    if (stream.isTTY === true) this.#progress.clear();
    stream.write(`${line}\n`);
  }
}
