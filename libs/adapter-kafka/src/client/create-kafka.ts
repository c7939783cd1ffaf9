import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CertmillError } from '@certmill/domain';
import {
  Kafka,
  logLevel,
  type ISocketFactory,
  type KafkaConfig,
  type SASLOptions,
  type logCreator,
} from 'kafkajs';
import type { KafkaNotice, KafkaObserver } from './kafka-observer.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { mendKafkajs } from '../wire/mend-kafkajs.js';

/**
 * kafkajs looks for new leaders where a broker refuses or hangs up, but not where it just does not answer: then
 * it asks the same one again, until its metadata are of age.
 */
export const metadataMaxAgeMs = 5_000;

const defaultRequestTimeoutMs = 10_000;
const connectionTimeoutMs = 5_000;
const keepAliveMs = 60_000;
/** IPv6 literals have colons of their own, which kafkajs cannot tell from the port's. */
const brokerPattern = /^[A-Za-z0-9._-]+:\d{1,5}$/;

/**
 * A client of its own: clients of kafkajs share a cache of committed offsets among their consumers,
 * so each group member MUST have another.
 */
export function createKafka(options: KafkaConnectionOptions): Kafka {
  mendKafkajs();
  const { brokers, clientId, tls, sasl, observe = ignore, openSocket = openPlainSocket } = options;
  if (brokers.length === 0 || !brokers.every((broker) => brokerPattern.test(broker))) {
    throw new CertmillError('CONFIG_INVALID', 'Kafka brokers are listed as host:port');
  }
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId,
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: options.requestTimeoutMs ?? defaultRequestTimeoutMs,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 },
    socketFactory: openSocket,
    logLevel: logLevel.WARN,
    logCreator: logTo(observe),
    ...(tls === undefined ? {} : { ssl: { ...tls } }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
  return new Kafka(config);
}

function saslOf(sasl: NonNullable<KafkaConnectionOptions['sasl']>): SASLOptions {
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

/** As kafkajs does, but a small request does not wait for the acknowledgement of the one before. */
export const openPlainSocket: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  // Its type says otherwise: without TLS there is none.
  const tls = ssl as typeof ssl | null | undefined;
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket =
    tls === null || tls === undefined
      ? connectTcp({ host, port }, onConnect)
      : connectTls({ host, port, ...name, ...tls }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
};

function logTo(observe: KafkaObserver): logCreator {
  return () =>
    ({ level, namespace, log }) => {
      // The rest of an entry is left out: it may hold whole requests.
      const message = `${namespace}: ${log.message}`;
      observe({ level: noticeLevelOf(level), code: 'client', message });
    };
}

function noticeLevelOf(level: logLevel): KafkaNotice['level'] {
  if (level <= logLevel.ERROR) return 'error';
  return level === logLevel.WARN ? 'warn' : 'info';
}

function ignore(): void {
  // Nobody listens.
}
