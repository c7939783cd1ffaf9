import { join } from 'node:path';
import { protocolOf, secureProperties, type SecureListener } from './secure-listener.js';

export interface BrokerPlace {
  /** From 1. */
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  /** In the order of the secure listeners. */
  readonly securePorts?: readonly number[];
}

/** Settings that a test may want otherwise, by their names in Kafka. */
export type BrokerSettings = Readonly<Record<string, string | number | boolean>>;

/** The server.properties of a broker that is a controller too. */
export function brokerProperties(
  place: BrokerPlace,
  cluster: readonly BrokerPlace[],
  folder: string,
  settings: BrokerSettings,
  secure: readonly SecureListener[] = [],
): string {
  const copies = Math.min(cluster.length, 3);
  const addresses = [
    `PLAINTEXT://127.0.0.1:${place.port}`,
    ...secure.map(({ name }, i) => `${name}://127.0.0.1:${place.securePorts?.[i] ?? 0}`),
  ].join(',');
  const protocols = ['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...secure.map(protocolOf)];
  const properties: BrokerSettings = {
    'process.roles': 'broker,controller',
    'node.id': place.id,
    listeners: `${addresses},CONTROLLER://127.0.0.1:${place.controllerPort}`,
    'advertised.listeners': addresses,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': protocols.join(','),
    'controller.quorum.voters': cluster
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(','),
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': false,
    // 9 s by default: that long nobody leads what a dead broker led.
    'broker.session.timeout.ms': 6_000,
    'broker.heartbeat.interval.ms': 1_000,
    'offsets.topic.replication.factor': copies,
    // 50 by default: most of a small broker's start.
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': Math.min(copies, 2),
    'transaction.state.log.num.partitions': 4,
    // 3 s by default, for members that come one by one: tests have no time for it.
    'group.initial.rebalance.delay.ms': 0,
    // 128 MiB by default: half of the heap.
    'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
    ...Object.fromEntries(secure.flatMap((listener) => Object.entries(secureProperties(listener)))),
    ...settings,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${String(value)}`);
  return `${lines.join('\n')}\n`;
}
