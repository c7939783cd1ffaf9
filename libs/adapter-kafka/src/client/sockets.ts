import type { Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import { stopping } from './stopping.js';

/**
 * The connections of one client of kafkajs. A client that is disconnected while it asks opens more of them
 * afterwards, and one that is left open keeps the whole process from ending.
 */
export class Sockets {
  readonly #openSocket: ISocketFactory;
  readonly #open = new Set<Socket>();
  #isClosed = false;

  constructor(openSocket: ISocketFactory) {
    this.#openSocket = openSocket;
  }

  /** What the client MUST open its connections by. */
  readonly open: ISocketFactory = (to) => {
    if (this.#isClosed) throw stopping();
    const socket = this.#openSocket(to);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  };

  /** For good. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#open) {
      // kafkajs has done with what it has ended; of others it stops its timers when they fail.
      if (socket.writableEnded) socket.destroy();
      else socket.destroy(stopping());
    }
  }
}
