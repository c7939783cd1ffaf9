import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installMongoStandIn } from '../install/maven.js';
import { freePorts } from '../process/free-ports.js';
import { javaOptions } from '../process/java-options.js';
import { RestartableServer } from '../process/restartable-server.js';
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
export class MongoStandIn extends RestartableServer {
  readonly #port: number;

  private constructor(options: MongoStandInOptions, classPath: string, port: number) {
    super(() => startStandIn(options, classPath, port));
    this.#port = port;
  }

  static async start(options: MongoStandInOptions): Promise<MongoStandIn> {
    const store = await MongoStandIn.prepare(options);
    await store.start();
    return store;
  }

  /** It has its address, and is not started. */
  static async prepare(options: MongoStandInOptions): Promise<MongoStandIn> {
    const classPath = await installMongoStandIn();
    const [port = 0] = await freePorts(1);
    await mkdir(options.folder, { recursive: true });
    return new MongoStandIn(options, classPath, port);
  }

  /** A connection string without a database. */
  get uri(): string {
    return `mongodb://127.0.0.1:${this.#port}/`;
  }
}

function startStandIn(
  { folder, data = 'memory', heapMegabytes = 512 }: MongoStandInOptions,
  classPath: string,
  port: number,
): Promise<ServerProcess> {
  return ServerProcess.start({
    name: 'the stand-in for MongoDB',
    command: 'java',
    args: [
      ...javaOptions(heapMegabytes),
      ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath],
      ...['MongoStandIn', String(port)],
      ...(data === 'file' ? [join(folder, 'mongo.mv')] : []),
    ],
    logFile: join(folder, 'mongo.log'),
    // It says so when it listens.
    isReady: async ({ written }) => (await written()).includes('ready\n'),
    readyWithinMs,
    fault: 'FAULT_STORE_DOWN',
  });
}
