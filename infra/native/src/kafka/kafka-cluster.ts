import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
// Node finds some names only of this CommonJS module.
import kafkajs, { type Admin } from 'kafkajs';
import { installKafka } from '../install/maven.js';
import { packageFolder } from '../package-folder.js';
import { freePorts } from '../process/free-ports.js';
import { javaOptions } from '../process/java-options.js';
import { runCommand } from '../process/run-command.js';
import { ServerProcess } from '../process/server-process.js';
import { brokerProperties, type BrokerPlace, type BrokerSettings } from './broker-settings.js';
import { scramArguments, type SecureListener } from './secure-listener.js';

export interface KafkaClusterOptions {
  /** Of brokers that are controllers too: 1 or 3. */
  readonly brokers?: 1 | 3;
  /** Where the data goes; see makeRunFolder. */
  readonly folder: string;
  /** Of each JVM; 256 unless told. */
  readonly heapMegabytes?: number;
  readonly settings?: BrokerSettings;
  /** Beside the plain listener; users are the cluster's, the same on each. */
  readonly secure?: readonly SecureListener[];
}

const readyWithinMs = 120_000;
const callTimeoutMs = 3_000;

function addressOf(place: BrokerPlace): string {
  return `127.0.0.1:${place.port}`;
}

/** Asks one broker, or any, without retries: whoever asks knows how long to try. */
async function ask<T>(brokers: string[], question: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new kafkajs.Kafka({
    brokers,
    connectionTimeout: callTimeoutMs,
    requestTimeout: callTimeoutMs,
    retry: { retries: 0 },
    logCreator: () => () => undefined,
  }).admin();
  try {
    await admin.connect();
    return await question(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Brokers of this process on loopback. A broker keeps its address and its data through kill and start. */
export class KafkaCluster {
  readonly #options: KafkaClusterOptions;
  readonly #classPath: string;
  readonly #places: readonly BrokerPlace[];
  readonly #clusterId = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  readonly #running = new Map<number, ServerProcess>();

  private constructor(
    options: KafkaClusterOptions,
    classPath: string,
    places: readonly BrokerPlace[],
  ) {
    this.#options = options;
    this.#classPath = classPath;
    this.#places = places;
  }

  /** Resolves when every broker answers and sees all others. */
  static async start(options: KafkaClusterOptions): Promise<KafkaCluster> {
    const cluster = await KafkaCluster.prepare(options);
    await cluster.start();
    return cluster;
  }

  /** The brokers have their addresses and empty data, and are not started. */
  static async prepare(options: KafkaClusterOptions): Promise<KafkaCluster> {
    const classPath = await installKafka();
    const count = options.brokers ?? 1;
    const perBroker = 2 + (options.secure?.length ?? 0);
    const ports = await freePorts(perBroker * count);
    const places = Array.from({ length: count }, (_, index) => {
      const [port = 0, controllerPort = 0, ...securePorts] = ports.slice(
        perBroker * index,
        perBroker * (index + 1),
      );
      return { id: index + 1, port, controllerPort, securePorts };
    });
    const cluster = new KafkaCluster(options, classPath, places);
    await cluster.#format();
    return cluster;
  }

  /** After `prepare`: resolves when every broker answers and sees all others. */
  async start(): Promise<void> {
    const count = this.#places.length;
    const started = await Promise.allSettled(this.#places.map(({ id }) => this.#start(id, count)));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    await this.stop();
    throw failed.reason;
  }

  /** All addresses, host:port, also of brokers that are down; the broker with id n is the n-th. */
  get brokers(): readonly string[] {
    return this.#places.map(addressOf);
  }

  /** All addresses of a secure listener. */
  brokersOf(listenerName: string): readonly string[] {
    const index = (this.#options.secure ?? []).findIndex(({ name }) => name === listenerName);
    if (index < 0) throw new CertmillError('NOT_FOUND', 'there is no such listener');
    return this.#places.map(({ securePorts }) => `127.0.0.1:${securePorts?.[index] ?? 0}`);
  }

  get runningBrokers(): readonly number[] {
    return [...this.#running.keys()].sort((a, b) => a - b);
  }

  /** SIGKILL; resolves when it is gone. */
  async killBroker(id: number): Promise<void> {
    await this.#brokerOf(id).kill();
    this.#running.delete(id);
  }

  /** As a rolling restart does (SIGTERM): it hands its partitions over before it ends. */
  async stopBroker(id: number): Promise<void> {
    await this.#brokerOf(id).stop();
    this.#running.delete(id);
  }

  /** Resolves when it answers and sees all brokers that run. */
  async startBroker(id: number): Promise<void> {
    if (this.#running.has(id)) return;
    await this.#start(id, this.#running.size + 1);
  }

  /** SIGSTOP: it holds its connections and answers nothing. Resolves when it has stopped. */
  async pauseBroker(id: number): Promise<void> {
    await this.#brokerOf(id).pause();
  }

  resumeBroker(id: number): void {
    this.#brokerOf(id).resume();
  }

  /** The broker that leads a partition, -1 while none does. Asks the brokers that run. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const running = this.#places.filter(({ id }) => this.#running.has(id)).map(addressOf);
    const { topics } = await ask(running, (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    const found = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition);
    if (found === undefined) throw new CertmillError('NOT_FOUND', 'there is no such partition');
    return found.leader;
  }

  /** Changes settings of a topic, as an operator does past `fleet init`; asks the brokers that run. */
  async alterTopic(topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
    const running = this.#places.filter(({ id }) => this.#running.has(id)).map(addressOf);
    const { ConfigResourceTypes } = kafkajs;
    await ask(running, async (admin) => {
      // The call replaces all settings of a topic: those that stay are sent again.
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      });
      const own = (resources[0]?.configEntries ?? []).filter(({ isDefault }) => !isDefault);
      const kept = Object.fromEntries(
        own.map(({ configName, configValue }) => [configName, configValue]),
      );
      const configEntries = Object.entries({ ...kept, ...settings }).map(([name, value]) => {
        return { name, value };
      });
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
      });
    });
  }

  /** Ends every broker that still runs. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    this.#running.clear();
    // A controller that has lost its quorum waits for it when it ends: the data are thrown away anyway.
    await Promise.all(running.map((broker) => broker.kill()));
  }

  async #format(): Promise<void> {
    const { folder, settings = {}, secure = [] } = this.#options;
    await Promise.all(
      this.#places.map(async (place) => {
        const own = this.#folderOf(place.id);
        const properties = join(own, 'server.properties');
        await mkdir(own, { recursive: true });
        await writeFile(properties, brokerProperties(place, this.#places, own, settings, secure));
        await runCommand(
          'java',
          [
            ...[...this.#javaArguments(64), 'kafka.tools.StorageTool'],
            // One argument: an id may begin with a hyphen.
            ...['format', `--cluster-id=${this.#clusterId}`, '--config', properties],
            ...scramArguments(secure),
          ],
          { purpose: 'a Kafka broker', install: 'a JDK', folder },
        );
      }),
    );
  }

  async #start(id: number, seen: number): Promise<void> {
    const address = this.brokers[id - 1];
    if (address === undefined) throw new CertmillError('NOT_FOUND', 'there is no such broker');
    const folder = this.#folderOf(id);
    const broker = await ServerProcess.start({
      name: `Kafka broker ${id}`,
      command: 'java',
      args: [
        ...this.#javaArguments(this.#options.heapMegabytes ?? 256),
        ...['kafka.Kafka', join(folder, 'server.properties')],
      ],
      logFile: join(folder, 'log'),
      isReady: async () => {
        const seenThere = await ask([address], (admin) => admin.describeCluster());
        const isOurs = seenThere.clusterId === this.#clusterId;
        return isOurs && seenThere.brokers.length >= seen && seenThere.controller !== null;
      },
      readyWithinMs,
      fault: 'FAULT_BUS_DOWN',
    });
    this.#running.set(id, broker);
  }

  #javaArguments(heapMegabytes: number): readonly string[] {
    const logging = join(packageFolder, 'java', 'kafka', 'log4j2.properties');
    return [
      ...[`-Xms${heapMegabytes}m`, ...javaOptions(heapMegabytes)],
      ...[`-Dlog4j2.configurationFile=${logging}`, '-cp', this.#classPath],
    ];
  }

  #folderOf(id: number): string {
    return join(this.#options.folder, `kafka-${id}`);
  }

  #brokerOf(id: number): ServerProcess {
    const broker = this.#running.get(id);
    if (broker === undefined) throw new CertmillError('NOT_FOUND', 'this broker does not run');
    return broker;
  }
}
