import type { Server, Socket } from 'node:net';
import type { Metrics } from '../observability/metrics.js';

/**
 * The open connections of a server: not more than `max`. Held here because Node's own list has only
 * those that have spoken HTTP: one that stands before its TLS handshake is not on it.
 */
export class Connections {
  readonly #open = new Set<Socket>();

  constructor(server: Server, max: number, metrics: Metrics) {
    server.maxConnections = max;
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
    server.on('drop', () => metrics.refusedConnection());
    metrics.gauge('certmill_http_connections_active', 'Open connections.', () => this.#open.size);
  }

  /** Cuts what is still open. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
