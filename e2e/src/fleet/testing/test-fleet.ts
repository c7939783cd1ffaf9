import '../../one-realm.js';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  fleetLag,
  openFleetForReading,
  readFleetConfig,
  verifyFleet,
  type FleetConfig,
} from '@certmill/fleet';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
  type FleetRole,
  type FleetService,
  type LocalFleetOptions,
} from '@certmill/native';
import type { VerifiedStore } from '@certmill/trust';
import { runCertmill, type Ended } from '../../cli/testing/run-certmill.js';

export interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly nextIndex: number;
  readonly counters: Readonly<
    Record<'accepted' | 'issued' | 'rejected' | 'cancelled' | 'deadLettered' | 'inFlight', number>
  >;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly json?: unknown;
  /** Of the admin of `default` where absent. */
  readonly key?: string;
}

export type LogLine = Readonly<Record<string, unknown>>;

const pollMs = 20;
/** Whatever a fleet is waited for here takes seconds; on busy cores ten times as many. */
export const patienceMs = 180_000;
const readyMs = 180_000;

export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = patienceMs,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await pause(pollMs);
  }
}

interface TestServers {
  readonly kafka: KafkaCluster;
  readonly mongo: MongoStandIn;
  readonly redis: RedisServer;
}

/** A fleet with servers of its own, one process a role, and what tests do to it from outside. */
export class TestFleet {
  readonly fleet: LocalFleet;
  readonly kafka: KafkaCluster;
  readonly mongo: MongoStandIn;
  readonly redis: RedisServer;
  readonly #folder: string;
  readonly #servers: readonly { stop(): Promise<unknown> }[];

  private constructor(folder: string, { kafka, mongo, redis }: TestServers, fleet: LocalFleet) {
    this.#folder = folder;
    this.kafka = kafka;
    this.mongo = mongo;
    this.redis = redis;
    this.#servers = [kafka, mongo, redis];
    this.fleet = fleet;
  }

  static async start(options: Partial<LocalFleetOptions> = {}): Promise<TestFleet> {
    const test = await TestFleet.make(options);
    try {
      await Promise.all([test.kafka.start(), test.mongo.start()]);
      await test.fleet.init();
      for (const service of test.fleet.services) service.start();
      await test.fleet.whenReady();
      return test;
    } catch (error) {
      await test.stop();
      throw error;
    }
  }

  /** Of its servers only Redis runs, no service is started, and nothing is initialised. */
  static async make(options: Partial<LocalFleetOptions> = {}): Promise<TestFleet> {
    const folder = await makeRunFolder();
    const [kafka, mongo, redis] = await Promise.all([
      KafkaCluster.prepare({ folder: join(folder, 'kafka'), brokers: 1 }),
      MongoStandIn.prepare({ folder: join(folder, 'mongo'), heapMegabytes: 256 }),
      RedisServer.start({ folder: join(folder, 'redis') }),
    ]);
    try {
      const fleet = await LocalFleet.make({
        folder: join(folder, 'fleet'),
        plan: (['ingest', 'validate', 'sign', 'publish'] as const).map((role) => {
          return { role, lanes: ['bulk', 'interactive'] };
        }),
        partitions: { bulk: 2, interactive: 1 },
        ...options,
        environment: {
          KAFKA_BROKERS: kafka.brokers.join(','),
          MONGODB_URI: mongo.uri,
          REDIS_URL: redis.url,
          ...options.environment,
        },
      });
      return new TestFleet(folder, { kafka, mongo, redis }, fleet);
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
    await Promise.all(this.#servers.map((server) => server.stop()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  get config(): FleetConfig {
    return readFleetConfig(this.fleet.configFile);
  }

  /** A file of the fleet's folder. */
  file(name: string): string {
    return join(this.fleet.folder, name);
  }

  service(role: FleetRole): FleetService {
    const [service] = this.fleet.of(role);
    assert.ok(service);
    return service;
  }

  async stopRole(role: FleetRole): Promise<void> {
    await this.service(role).stop();
  }

  /** Starts a role, or starts it anew, with sections of its configuration changed. */
  async startRole(role: FleetRole, changes: Record<string, unknown> = {}): Promise<void> {
    const service = this.service(role);
    await service.stop();
    const config = JSON.parse(readFileSync(service.configFile, 'utf8')) as object;
    writeFileSync(service.configFile, JSON.stringify({ ...config, ...changes }));
    service.start();
    await service.whenReady(readyMs);
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const { json, body = json === undefined ? undefined : JSON.stringify(json) } = options;
    return fetch(this.fleet.url + path, {
      method,
      headers: {
        authorization: `Bearer ${options.key ?? this.fleet.adminKey}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
  }

  /** An order without an allow-list. */
  async openOrder(orderId: string, profile = 'tls-client', key?: string): Promise<void> {
    const order = {
      orderId,
      profile,
      quota: 100_000,
      requiresAllowList: false,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    };
    const as = key === undefined ? {} : { key };
    const answer = await this.call('POST', '/v1/orders', { json: order, ...as });
    assert.equal(answer.status, 201, await answer.text());
  }

  async upload(orderId: string, name: string, lines: string, key?: string): Promise<string> {
    const answer = await this.call('POST', `/v1/orders/${orderId}/batches`, {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': name },
      body: lines,
      ...(key === undefined ? {} : { key }),
    });
    assert.equal(answer.status, 202);
    return ((await answer.json()) as BatchBody).batchId;
  }

  async batch(batchId: string): Promise<BatchBody> {
    return (await (await this.call('GET', `/v1/batches/${batchId}`)).json()) as BatchBody;
  }

  /** Waits until nothing of the batch is in flight. */
  async settled(batchId: string): Promise<BatchBody> {
    let batch = await this.batch(batchId);
    await until(`batch ${batchId} is settled`, async () => {
      batch = await this.batch(batchId);
      return batch.state !== 'uploading' && batch.counters.inFlight === 0;
    });
    return batch;
  }

  /** Waits until every stage has handled what is in its topics. */
  async drained(): Promise<void> {
    const { config } = this;
    await until('nothing waits for a stage', async () => {
      return (await fleetLag(config)).every(({ lag }) => lag === 0);
    });
  }

  /** The value of a series of a role's metrics; 0 where there is none. */
  async metric(role: FleetRole, series: string): Promise<number> {
    const answer = await fetch(`${this.service(role).operationsUrl}/metrics`);
    const line = (await answer.text()).split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  }

  /** What a role has logged since the fleet was made. */
  logOf(role: FleetRole): readonly LogLine[] {
    const file = this.file(`${this.service(role).name}.log`);
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** The command, with the fleet's configuration. */
  certmill(...args: readonly string[]): Promise<Ended> {
    return runCertmill([...args, '--config', this.fleet.configFile]);
  }

  /** Stops the services and checks what they have stored. */
  async verified(): Promise<VerifiedStore> {
    await this.fleet.stop();
    await using opened = await openFleetForReading(this.config);
    return await verifyFleet(opened, () => undefined);
  }
}

/** A name that no test before has used. */
export function aName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}
