import type { ServerProcess } from './server-process.js';

/** A server that keeps its address through kill and start; at most one process at a time. */
export class RestartableServer {
  readonly #open: () => Promise<ServerProcess>;
  #server: ServerProcess | undefined;

  protected constructor(open: () => Promise<ServerProcess>) {
    this.#open = open;
  }

  /** Starts it, again after kill() or stop(); nothing where it runs. */
  async start(): Promise<void> {
    this.#server ??= await this.#open();
  }

  /** SIGSTOP: it holds its connections and answers nothing, until resume(). Resolves when it has stopped. */
  async pause(): Promise<void> {
    await this.#server?.pause();
  }

  resume(): void {
    this.#server?.resume();
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }
}
