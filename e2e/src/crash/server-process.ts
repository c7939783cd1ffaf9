import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServerOrders, ServerReady } from './server.js';

/** How a server process ended. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One life of the server. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #gone = new AbortController();
  readonly #ended: Promise<ServerEnd>;
  readonly #ready: Promise<ServerReady | undefined>;

  /** @param logDescriptor where its output goes. */
  constructor(orders: ServerOrders, logDescriptor: number) {
    const program = fileURLToPath(new URL('./server.js', import.meta.url));
    this.#child = fork(program, [JSON.stringify(orders)], {
      stdio: ['ignore', logDescriptor, logDescriptor, 'ipc'],
    });
    this.#ended = once(this.#child, 'exit').then((ended) => {
      const [code, signal] = ended as [ServerEnd['code'], ServerEnd['signal']];
      this.#gone.abort();
      return { code, signal };
    });
    const told = once(this.#child, 'message').then(([message]) => message as ServerReady);
    this.#ready = Promise.race([told, this.#ended.then(() => undefined)]);
  }

  /** Aborts when the process is gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Undefined where it died before it took calls. */
  ready(): Promise<ServerReady | undefined> {
    return this.#ready;
  }

  ended(): Promise<ServerEnd> {
    return this.#ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Stops it the tidy way. */
  stop(): Promise<ServerEnd> {
    this.#child.send('stop');
    return this.#ended;
  }
}
