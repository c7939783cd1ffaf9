import type { ISocketFactory } from 'kafkajs';
import type { KafkaObserver } from './kafka-observer.js';

/** How to reach a cluster. Secrets are passed in as they are; nothing here reads a file. */
export interface KafkaConnectionOptions {
  /** `host:port` each; where to ask for the others. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** PEM. Present, even if empty: TLS; the brokers' certificates are always verified. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** One request's time-out; 10,000 where absent. */
  readonly requestTimeoutMs?: number;
  readonly observe?: KafkaObserver;
  /** Opens a connection; TCP or TLS without Nagle's delay where absent. */
  readonly openSocket?: ISocketFactory;
}
