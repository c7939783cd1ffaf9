import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { CertmillError } from '@certmill/domain';
import { spawnGuarded } from '../process/spawn-guarded.js';
import { until } from '../process/until.js';

export type FleetRole = 'ingest' | 'validate' | 'sign' | 'publish' | 'status';

export interface FleetServiceOptions {
  /** For messages and files, as in "sign-bulk". */
  readonly name: string;
  readonly role: FleetRole;
  /** The program, and what stands before `--config FILE`. */
  readonly command: readonly [string, ...string[]];
  readonly configFile: string;
  readonly operationsPort: number;
  /** Of ingest and status. */
  readonly apiPort?: number;
  /** Takes the service's JSON lines; appended to. */
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

const stopGraceMs = 25_000;

/** One service of a local fleet: a process that can be started again after it ended. */
export class FleetService {
  readonly #options: FleetServiceOptions;
  #log: WriteStream | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(options: FleetServiceOptions) {
    this.#options = options;
  }

  get logFile(): string {
    return this.#options.logFile;
  }

  get name(): string {
    return this.#options.name;
  }

  get role(): FleetRole {
    return this.#options.role;
  }

  get configFile(): string {
    return this.#options.configFile;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get operationsUrl(): string {
    return `http://127.0.0.1:${String(this.#options.operationsPort)}`;
  }

  /** Where ingest answers, and status; of the others nothing does. */
  get apiUrl(): string | undefined {
    const { apiPort } = this.#options;
    return apiPort === undefined ? undefined : `http://127.0.0.1:${String(apiPort)}`;
  }

  /** Starts the process; whether it is ready is another question. */
  start(): void {
    if (this.#child !== undefined) return;
    const { command, configFile, environment, logFile } = this.#options;
    this.#log ??= createWriteStream(logFile, { flags: 'a' });
    const [program, ...args] = command;
    const child = spawnGuarded(program, [...args, '--config', configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    this.#child = child;
    this.#ended = once(child, 'exit').then(
      ([code]) => code as number | null,
      () => null,
    );
    void this.#ended.then(() => {
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** What /readyz says; undefined where nobody answers. */
  async readiness(): Promise<{ readonly status: string } | undefined> {
    try {
      const answer = await fetch(`${this.operationsUrl}/readyz`, {
        signal: AbortSignal.timeout(2_000),
      });
      return (await answer.json()) as { readonly status: string };
    } catch {
      return undefined;
    }
  }

  /** FAULT_PROCESSING where it ended or was not ready in time. */
  async whenReady(withinMs: number): Promise<void> {
    const isReady = await until(async () => {
      if (this.#child === undefined) return true;
      return (await this.readiness())?.status === 'ready';
    }, withinMs);
    if (this.#child === undefined || !isReady) {
      const why = this.#child === undefined ? 'ended at its start' : 'was not ready in time';
      throw new CertmillError(
        'FAULT_PROCESSING',
        `service ${this.name} ${why}: see ${this.#options.logFile}`,
      );
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** Resolves to its exit code, null where it was killed. */
  whenEnded(): Promise<number | null> {
    return this.#ended;
  }

  /** SIGTERM, and SIGKILL where it does not end; resolves to the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    child?.kill('SIGTERM');
    child?.kill('SIGCONT');
    const timer = setTimeout(() => child?.kill('SIGKILL'), stopGraceMs);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }
}
