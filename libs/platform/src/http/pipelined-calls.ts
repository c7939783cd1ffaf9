import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Calls on one connection whose answers were not taken; whoever sends more in advance is cut. */
const maxPipelined = 8;

/** Calls that anybody may send: one connection does not ask for much before it takes what it asked for. */
export class PipelinedCalls {
  readonly #unanswered = new WeakMap<Socket, number>();

  /** Whether the call may be answered; false: its connection is cut. */
  take(socket: Socket, response: ServerResponse): boolean {
    const before = this.#unanswered.get(socket) ?? 0;
    if (before === maxPipelined) {
      socket.destroy();
      return false;
    }
    this.#unanswered.set(socket, before + 1);
    response.once('close', () =>
      this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 1) - 1),
    );
    return true;
  }
}
