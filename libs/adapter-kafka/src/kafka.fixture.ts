import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deadLetterTopicOf } from '@certmill/events';
import type { EventRecord } from '@certmill/ports';
import type { ISocketFactory } from 'kafkajs';
import { openPlainSocket } from './client/create-kafka.js';
import type { KafkaConnectionOptions } from './client/kafka-options.js';
import type { KafkaNotice } from './client/kafka-observer.js';
import { deadLetterOverheadBytes } from './dead-letters/dead-letter.js';
import { openKafkaLog, type KafkaEventLog, type KafkaLogOptions } from './open-kafka-log.js';
import type { ClusterSpec } from './topics/cluster-spec.js';
import { openKafkaAdmin } from './topics/open-kafka-admin.js';

export const group = 'certmill-test';
/** A broker's lower bound, by default. */
export const sessionTimeoutMs = 6_000;
export const patienceMs = 90_000;

export function connection(): KafkaConnectionOptions {
  const brokers = process.env['KAFKA_BROKERS']?.split(',') ?? [];
  return { brokers, clientId: 'certmill-test' };
}

export function newTopic(): string {
  return `test.records.made.v1.${randomUUID()}`;
}

export const maxRecordBytes = 4 * 1024 * 1024;

export function specOf(
  topics: readonly string[],
  partitions = 4,
  maxBytes = maxRecordBytes,
): ClusterSpec {
  return {
    topics: topics.map((topic) => ({
      topic,
      partitions,
      replicationFactor: 1,
      configs: {
        'max.message.bytes': String(maxBytes),
        'retention.ms': '-1',
        'compression.type': 'uncompressed',
      },
    })),
  };
}

/** A topic with the dead letters of some groups. */
export async function makeTopic(partitions = 4, groups = [group]): Promise<string> {
  const topic = newTopic();
  const admin = openKafkaAdmin(connection());
  const deadLetters = groups.map((name) => deadLetterTopicOf(topic, name));
  await admin.ensureTopics(specOf([topic], partitions));
  await admin.ensureTopics(specOf(deadLetters, 2, maxRecordBytes + deadLetterOverheadBytes));
  await admin.stop(0);
  return topic;
}

/** Cuts a client off, as its host would be, or only looks on. */
export class Network {
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  readonly openSocket: ISocketFactory = (args) => {
    const socket = openPlainSocket(args);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#isCut) socket.destroy(new Error('the network is cut'));
    return socket;
  };

  /** No farewell of the client comes through, no answer comes back. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) {
      socket.destroy();
      socket.emit('end');
    }
  }

  restore(): void {
    this.#isCut = false;
  }
}

export interface OpenedLog {
  readonly log: KafkaEventLog;
  readonly network: Network;
  readonly notices: KafkaNotice[];
}

/** Logs of one test, all let go of at its end. */
export class Logs {
  readonly #opened: OpenedLog[] = [];

  async open(overrides: Partial<KafkaLogOptions> = {}): Promise<OpenedLog> {
    const network = new Network();
    const notices: KafkaNotice[] = [];
    const log = await openKafkaLog({
      ...connection(),
      openSocket: network.openSocket,
      observe: (notice) => notices.push(notice),
      retry: { firstMs: 1, maxMs: 20 },
      sessionTimeoutMs,
      lagCacheMs: 20,
      commitIntervalMs: 50,
      ...overrides,
    });
    const opened = { log, network, notices };
    this.#opened.push(opened);
    return opened;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map(({ log }) => log.stop(0)));
  }
}

export function aRecord(id: string, bytes = 100): EventRecord {
  return { headers: { ce_id: id }, key: id, value: Buffer.alloc(bytes, id) };
}

export function idOf(record: EventRecord): string {
  return record.headers['ce_id'] ?? '';
}

export function idsOf(count: number, prefix = ''): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${String(i)}`);
}

export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = patienceMs,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await sleep(10);
  }
}
