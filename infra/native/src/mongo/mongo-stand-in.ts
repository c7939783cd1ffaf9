import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installMongoStandIn } from '../install/maven.js';
import { freePorts } from '../process/free-ports.js';
import { javaOptions } from '../process/java-options.js';
import { ServerProcess } from '../process/server-process.js';

export interface MongoStandInOptions {
  /** Where log and data go; see makeRunFolder. */
  readonly folder: string;
  /**
   * `memory` (the default): fast, and kill() loses all. `file`: what was answered is there after
   * kill() and start(), and costs a write to the file per group of commands.
   */
  readonly data?: 'memory' | 'file';
  readonly heapMegabytes?: number;
}

const readyWithinMs = 60_000;
/**
 * A server that speaks MongoDB's protocol: no transactions, change streams or TTL, no replica set.
 * It keeps its address through kill and start.
 */
export class MongoStandIn {
  readonly #options: MongoStandInOptions;
  readonly #classPath: string;
  readonly #port: number;
  #server: ServerProcess | undefined;

  private constructor(options: MongoStandInOptions, classPath: string, port: number) {
    this.#options = options;
    this.#classPath = classPath;
    this.#port = port;
  }

  static async start(options: MongoStandInOptions): Promise<MongoStandIn> {
    const classPath = await installMongoStandIn();
    const [port = 0] = await freePorts(1);
    await mkdir(options.folder, { recursive: true });
    const store = new MongoStandIn(options, classPath, port);
    await store.start();
    return store;
  }

  /** A connection string without a database. */
  get uri(): string {
    return `mongodb://127.0.0.1:${this.#port}/`;
  }

  /** Starts it again after kill() or stop(). */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { folder, data = 'memory', heapMegabytes = 512 } = this.#options;
    this.#server = await ServerProcess.start({
      name: 'the stand-in for MongoDB',
      command: 'java',
      args: [
        ...javaOptions(heapMegabytes),
        ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', this.#classPath],
        ...['MongoStandIn', String(this.#port)],
        ...(data === 'file' ? [join(folder, 'mongo.mv')] : []),
      ],
      logFile: join(folder, 'mongo.log'),
      // It says so when it listens.
      isReady: async ({ written }) => (await written()).includes('ready\n'),
      readyWithinMs,
      fault: 'FAULT_STORE_DOWN',
    });
  }

  /** SIGSTOP: it holds its connections and answers nothing, until resume(). Resolves when it has stopped. */
  async pause(): Promise<void> {
    await this.#server?.pause();
  }

  resume(): void {
    this.#server?.resume();
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }
}
