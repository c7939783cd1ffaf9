import type { Socket } from 'node:net';
import { CertmillError } from '@certmill/domain';
import type { ISocketFactory } from 'kafkajs';

/**
 * The connections of one or more clients of kafkajs. A client that is disconnected while it asks opens more
 * of them afterwards, and one that is left open keeps the whole process from ending.
 */
export class Sockets {
  readonly #openSocket: ISocketFactory;
  readonly #open = new Set<Socket>();
  #closed: Error | undefined;

  constructor(openSocket: ISocketFactory) {
    this.#openSocket = openSocket;
  }

  /** What the client MUST open its connections by. */
  readonly open: ISocketFactory = (to) => {
    if (this.#closed !== undefined) throw this.#closed;
    const socket = this.#openSocket(to);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  };

  /** For good. What is still asked, or asked later, fails with `cause`. */
  close(cause: Error = new CertmillError('FAULT_BUS_DOWN', 'this client is closed')): void {
    this.#closed = cause;
    for (const socket of this.#open) {
      // kafkajs has done with what it has ended; of others it stops its timers when they fail.
      if (socket.writableEnded) socket.destroy();
      else socket.destroy(cause);
    }
  }
}
