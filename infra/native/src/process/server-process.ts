import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, type FaultCode } from '@certmill/domain';
import { spawnGuarded } from './spawn-guarded.js';
import { until } from './until.js';

export interface StartingServer {
  readonly pid: number;
  /** What it wrote since it was started. */
  readonly written: () => Promise<string>;
}

export interface ServerProcessOptions {
  /** For messages, as in "Kafka broker 1". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Takes what the server writes; appended to. */
  readonly logFile: string;
  /** Whether it answers, and not another one on its port. MUST end by itself. */
  readonly isReady: (server: StartingServer) => Promise<boolean>;
  readonly readyWithinMs: number;
  /** The fault where it does not answer in time. */
  readonly fault: FaultCode;
}

const stopGraceMs = 10_000;
const pauseWithinMs = 10_000;
const keptLogLength = 4_000;

/** Whether each thread of a process is stopped; proc(5): the state is behind the name in brackets. */
function isStopped(pid: number): boolean {
  const tasks = join('/proc', String(pid), 'task');
  return readdirSync(tasks).every((task) => {
    const stat = readFileSync(join(tasks, task, 'stat'), 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
  });
}

/** A server that this process started. Signals go to exactly that child, by pid. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #hasEnded = false;

  private constructor(options: ServerProcessOptions) {
    const log = openSync(options.logFile, 'a');
    this.#child = spawnGuarded(options.command, options.args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...options.environment },
    });
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true;
        resolve();
      };
      this.#child.once('exit', end).once('error', end);
    });
  }

  /** Resolves when the server answers. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const before = existsSync(options.logFile) ? (await stat(options.logFile)).size : 0;
    const written = async (): Promise<string> =>
      (await readFile(options.logFile)).subarray(before).toString('utf8');
    const server = new ServerProcess(options);
    const isSettled = await until(
      async () => !server.isRunning || (await options.isReady({ pid: server.pid, written })),
      options.readyWithinMs,
    );
    if (isSettled && server.isRunning) return server;
    const why = server.isRunning ? 'did not answer in time' : 'ended at its start';
    await server.kill();
    throw new CertmillError(options.fault, `${options.name} ${why}`, {
      cause: (await written()).slice(-keptLogLength),
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** SIGSTOP: it holds its connections and answers nothing, as a machine that hangs. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP');
    // The kernel stops it when it next gives one of its threads a turn: on a busy machine that is later.
    if (!(await until(() => !this.isRunning || isStopped(this.pid), pauseWithinMs))) {
      throw new CertmillError('FAULT_OVERLOADED', 'a server was not stopped in time');
    }
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Lets it end in order, paused or not; after a while it is killed. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    this.#child.kill('SIGCONT');
    if (!(await until(() => this.#hasEnded, stopGraceMs))) await this.kill();
  }
}
