import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer, type Server } from 'node:tls';
import type { Identity } from './test-pki.js';

export interface TlsFrontOptions {
  readonly identity: Identity;
  /** Set: clients must present a certificate of this CA. */
  readonly clientCaFile?: string;
  /** Of the server behind, on this machine and in the clear. */
  readonly port: number;
  /** Takes over between the two; they are joined as they are where absent. */
  readonly join?: (client: Duplex, server: Duplex) => void;
}

/** TLS in front of a server that has none. */
export class TlsFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Handshakes that came to their end. */
  connections = 0;

  private constructor({ identity, clientCaFile, port, join = joined }: TlsFrontOptions) {
    this.#server = createServer(
      {
        cert: readFileSync(identity.certFile),
        key: readFileSync(identity.keyFile),
        ...(clientCaFile === undefined
          ? {}
          : { ca: readFileSync(clientCaFile), requestCert: true, rejectUnauthorized: true }),
      },
      (client) => {
        this.connections += 1;
        const server = connect(port, '127.0.0.1');
        for (const [socket, other] of [
          [client, server],
          [server, client],
        ] as const) {
          this.#sockets.add(socket);
          socket.on('error', () => other.destroy());
          socket.on('close', () => {
            this.#sockets.delete(socket);
            other.destroy();
          });
        }
        join(client, server);
      },
    );
  }

  static async start(options: TlsFrontOptions): Promise<TlsFront> {
    const front = new TlsFront(options);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function joined(client: Duplex, server: Duplex): void {
  client.pipe(server);
  server.pipe(client);
}
