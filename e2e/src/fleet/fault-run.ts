import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { fleetLag, openFleetForReading, readFleetConfig, verifyFleet } from '@certmill/fleet';
import { topics } from '@certmill/events';
import { createHierarchy } from '@certmill/trust';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  Pkcs11Faults,
  RedisServer,
  SoftHsm,
  type FleetRole,
  type FleetService,
  type ServicePlan,
} from '@certmill/native';
import { FactoryClient, handledLater, type ServerLife } from '../crash/factory-client.js';
import type { ArmedFailPoint, FailPointReport } from '../crash/fail-point.js';
import { makeFleet, pacedRequestsOf } from '../crash/fleet.js';
import { judgeRun, type Judgement } from '../crash/judge-run.js';
import type { PlantedBug } from '../crash/planted-bugs.js';
import { maxRequestsPerChunk, nameOf, type Fault } from './faults.js';
import { ordersFileOf, type ServiceOrders } from './service-under-test.js';

export interface FaultRunOptions {
  readonly faults: readonly Fault[];
  readonly requests: number;
  readonly brokers: 1 | 3;
  readonly random: () => number;
  readonly plant: PlantedBug | undefined;
  /** Told of each fault as it is over. */
  readonly onFault: (text: string) => void;
}

export interface FaultRunResult extends Judgement {
  /** How often each came to pass. */
  readonly faults: ReadonlyMap<string, number>;
  /** One for each service that was killed and started again at once. */
  readonly serviceRecoveries: readonly Recovery[];
  /** One for each broker that was killed: measured while it is away. */
  readonly brokerRecoveries: readonly Recovery[];
  /** All evidence. */
  readonly folder: string;
}

/** From a kill until every certificate that was asked for at once after it is downloaded. */
export interface Recovery {
  /** What was killed, and where. */
  readonly of: string;
  readonly seconds: number;
}

/** Two of each kind share the bulk lane, so that somebody takes over. */
const plan: readonly ServicePlan[] = [
  { role: 'ingest', lanes: ['bulk', 'interactive'] },
  { role: 'validate', lanes: ['bulk', 'interactive'], count: 2 },
  { role: 'sign', lanes: ['bulk', 'interactive'], count: 2 },
  { role: 'publish', lanes: ['bulk', 'interactive'], count: 2 },
];

const sessionTimeoutMs = 6_000;
/** A fail-point that nothing reaches in this time is tried again later. */
const patienceMs = 25_000;
/** Then those who wait for its chunk ask for a few certificates more. */
const feedEveryMs = 3_000;
const feedProbes = 4;
/**
 * Each is a chunk on the interactive lane, where a partition is chosen by the batch: so many are on all
 * partitions of it, those of the dead process too, all but certainly.
 */
const recoveryProbes = 8;
const recoveryMs = 120_000;
/** With all lags at 0 and nothing downloaded for so long, what is missing never comes. */
const stuckMs = 20_000;
const stuckPollMs = 1_000;
const pollMs = 20;
const serviceProgram = fileURLToPath(new URL('./service-under-test.js', import.meta.url));
const nodeFlags = ['--max-semi-space-size=4', '--v8-pool-size=1'];

/** Breaks a fleet in many ways while a factory uploads to it; judges what came of it. */
export async function faultRun(options: FaultRunOptions): Promise<FaultRunResult> {
  const run = await FaultRun.prepare(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

interface Servers {
  readonly kafka: KafkaCluster;
  readonly store: MongoStandIn;
  readonly redis: RedisServer;
  readonly hsmFaults: Pkcs11Faults;
  readonly tokens: readonly string[];
}

class FaultRun {
  readonly #options: FaultRunOptions;
  readonly #folder: string;
  readonly #servers: Servers;
  readonly #fleet: LocalFleet;
  readonly #orders: ServiceOrders;
  readonly #devices;
  readonly #client: FactoryClient;
  readonly #counts = new Map<string, number>();
  readonly #serviceRecoveries: Recovery[] = [];
  readonly #brokerRecoveries: Recovery[] = [];
  readonly #probes: Promise<void>[] = [];
  #reports = 0;
  #gone = new AbortController();
  #isOver = false;
  #isStuck = false;

  private constructor(
    options: FaultRunOptions,
    folder: string,
    servers: Servers,
    fleet: LocalFleet,
    orders: ServiceOrders,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#servers = servers;
    this.#fleet = fleet;
    this.#orders = orders;
    this.#devices = makeFleet(options.requests);
    this.#client = new FactoryClient(this.#devices, options.random, true);
  }

  static async prepare(options: FaultRunOptions): Promise<FaultRun> {
    const folder = await makeRunFolder();
    const [kafka, store, redis, hsm] = await Promise.all([
      KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: options.brokers }),
      MongoStandIn.start({ folder: join(folder, 'mongo'), data: 'file' }),
      RedisServer.start({ folder: join(folder, 'redis') }),
      SoftHsm.open(join(folder, 'softhsm')),
    ]);
    const first = await hsm.createToken({ label: 'certmill-a' });
    await hsm.createToken({ label: 'certmill-b', pin: first.pin });
    const hsmFaults = await Pkcs11Faults.open(join(folder, 'faults'), hsm.moduleFile);
    const tokens = ['certmill-a', 'certmill-b'];
    const servers = { kafka, store, redis, hsmFaults, tokens };
    const orders: ServiceOrders = {
      oracleFile: join(folder, 'oracle'),
      reportFile: join(folder, 'reports'),
      bugFolder: join(folder, 'bug'),
      ...(options.plant === undefined ? {} : { plant: options.plant }),
    };
    writeFileSync(orders.oracleFile, '');
    writeFileSync(orders.reportFile, '');
    await mkdir(orders.bugFolder);
    const fleet = await LocalFleet.prepare({
      folder: join(folder, 'fleet'),
      environment: {
        ...hsm.environment,
        ...hsmFaults.environment,
        KAFKA_BROKERS: kafka.brokers.join(','),
        MONGODB_URI: store.uri,
        REDIS_URL: redis.url,
        PKCS11_MODULE: hsmFaults.moduleFile,
        PKCS11_TOKEN_LABELS: tokens.join(','),
        PKCS11_PIN_FILE: first.pinFile,
        SOFTHSM2_UTIL: hsm.utility,
      },
      usesTokens: true,
      // No certificate begins before its issuer: a young one would hide which receivedAt was used.
      async makeTrust(directory, passphraseFile) {
        const passphrase = readFileSync(passphraseFile, 'utf8').trimEnd();
        const nowMs = Date.now() - 3_600_000;
        await createHierarchy({ name: 'factory', directory, passphrase, nowMs });
      },
      plan,
      replicationFactor: options.brokers,
      minInsyncReplicas: options.brokers === 3 ? 2 : 1,
      kafka: { sessionTimeoutMs },
      commandOf: (role) => [process.execPath, ...nodeFlags, serviceProgram, role],
      settings: { logLevel: 'info', maxRequestsPerChunk },
    });
    return new FaultRun(options, folder, servers, fleet, orders);
  }

  async run(): Promise<FaultRunResult> {
    for (const service of this.#fleet.services) {
      this.#order(service);
      service.start();
    }
    await this.#fleet.whenReady();
    await this.#client.openOrders(this.#life());
    const working = handledLater(this.#work());
    const paced = this.#devices.batches.reduce((sum, batch) => sum + pacedRequestsOf(batch), 0);
    const { faults } = this.#options;
    const waiting = [...faults];
    const share = (paced * 0.9) / Math.max(1, faults.length);
    let tries = 0;
    for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
      tries += 1;
      this.#client.allowance = Math.floor(share * tries);
      const begun = performance.now();
      const happened = await this.#happen(fault);
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      this.#options.onFault(`${happened ? '' : 'in vain: '}${nameOf(fault)}, ${seconds} s`);
      if (happened) this.#count(nameOf(fault));
      else waiting.push(sooner(fault));
      if (tries > faults.length * 2 + 10) throw new Error('fail-points are not reached any more');
    }
    this.#client.allowance = Infinity;
    await this.#fleet.whenReady();
    this.#isOver = true;
    await this.#unlessStuck(Promise.all([working, ...this.#probes]));
    const judgement = await this.#judge();
    return {
      ...judgement,
      faults: this.#counts,
      serviceRecoveries: this.#serviceRecoveries,
      brokerRecoveries: this.#brokerRecoveries,
      folder: this.#folder,
    };
  }

  async stop(): Promise<void> {
    this.#gone.abort();
    await this.#fleet.stop();
    const { kafka, store, redis } = this.#servers;
    await Promise.all([kafka.stop(), store.stop(), redis.stop()]);
  }

  /** The client's work over all lives of ingest, until everything is uploaded and read. */
  async #work(): Promise<void> {
    for (;;) {
      const isLast = this.#isOver;
      const life = this.#life();
      await this.#client.work(life);
      if (this.#isStuck || (isLast && !life.gone.aborted)) return;
      while (this.#gone.signal.aborted) await pause(pollMs);
      await pause(pollMs);
    }
  }

  /** Waits for the client, or until it waits in vain: a lost chunk is for the judge to find. */
  async #unlessStuck(waiting: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = waiting.finally(() => (isDone = true));
    const watch = async (): Promise<void> => {
      let seen = -1;
      let since = performance.now();
      while (!isDone && performance.now() - since < stuckMs) {
        const { size } = this.#client.certificates;
        if (size !== seen || !(await this.#isDrained())) since = performance.now();
        seen = size;
        await pause(stuckPollMs);
      }
      if (isDone) return;
      this.#options.onFault('all lags are 0, and some certificates never come');
      this.#isStuck = true;
      this.#gone.abort();
    };
    await Promise.all([done, watch()]);
    if (this.#isStuck) this.#gone = new AbortController();
  }

  #life(): ServerLife {
    return { url: this.#fleet.url, key: this.#fleet.adminKey, gone: this.#gone.signal };
  }

  /** Whether it came to pass. */
  async #happen(fault: Fault): Promise<boolean> {
    const { store, redis, hsmFaults, tokens } = this.#servers;
    switch (fault.kind) {
      case 'kill-at-random': {
        const service = this.#pick(fault.role);
        await pause(this.#options.random() * 500);
        const since = performance.now();
        await this.#kill(service);
        await this.#recover(service, nameOf(fault), since);
        return true;
      }
      case 'kill': {
        const service = this.#pick(fault.role);
        await this.#kill(service);
        await this.#restart(service, fault.armed);
        const report = await this.#report();
        const since = performance.now();
        if (report !== undefined) await service.whenEnded();
        await this.#kill(service);
        if (report === undefined) await this.#restart(service);
        else await this.#recover(service, nameOf(fault), since);
        return report !== undefined;
      }
      case 'zombie': {
        const service = this.#pick(fault.role);
        await this.#kill(service);
        await this.#restart(service, fault.armed);
        const report = await this.#report();
        if (report !== undefined) await pause(sessionTimeoutMs * 2);
        const { size } = await stat(service.logFile);
        service.signal('SIGCONT');
        if (report !== undefined) await this.#cutOff(service, size);
        return report !== undefined;
      }
      case 'broker':
        await this.#killLeader(nameOf(fault));
        return true;
      case 'store-pause':
        await store.pause();
        await pause(fault.forMs);
        store.resume();
        return true;
      case 'store-kill':
        await store.kill();
        await pause(fault.forMs);
        await store.start();
        return true;
      case 'redis-stop':
        await redis.kill();
        await pause(fault.forMs);
        await redis.start();
        return true;
      case 'slot-fails':
        await hsmFaults.set({
          function: 'C_Sign',
          does: { fail: 0x30 },
          at: { token: tokens[0] ?? '' },
        });
        await pause(fault.forMs);
        await hsmFaults.set();
        return true;
    }
  }

  /** Resolves once the service has been told that its group went on without it. */
  async #cutOff(service: FleetService, since: number): Promise<void> {
    const until = performance.now() + 2 * patienceMs;
    while (performance.now() < until) {
      const log = (await readFile(service.logFile)).subarray(since).toString();
      if (/commit-refused|not aware of this member/.test(log)) return;
      await pause(pollMs);
    }
    throw new Error(`${service.name} was paused, and not thrown out of its groups`);
  }

  #pick(role: FleetRole): FleetService {
    const services = this.#fleet.of(role);
    return services[Math.floor(this.#options.random() * services.length)]!;
  }

  async #kill(service: FleetService): Promise<void> {
    if (service.role === 'ingest') this.#gone.abort();
    await service.kill();
  }

  /** Where it is armed it may be gone before it is ready. */
  async #restart(service: FleetService, armed?: ArmedFailPoint): Promise<void> {
    this.#order(service, armed === undefined ? {} : { armed });
    service.start();
    await service.whenReady(patienceMs).catch(() => undefined);
    if (service.role === 'ingest' && service.pid !== undefined) this.#gone = new AbortController();
  }

  /** Starts a service that was killed at once, as a supervisor does, and measures how long it is missed. */
  async #recover(service: FleetService, of: string, since: number): Promise<void> {
    this.#order(service);
    service.start();
    if (service.role === 'ingest') this.#gone = new AbortController();
    this.#serviceRecoveries.push(await this.#recovered(of, since));
    await service.whenReady(recoveryMs);
  }

  async #killLeader(of: string): Promise<void> {
    const { kafka } = this.#servers;
    const leader = await kafka.leaderOf(topics.requestsValidated.interactive, 0);
    const since = performance.now();
    await kafka.killBroker(leader);
    this.#brokerRecoveries.push(await this.#recovered(of, since));
    await kafka.startBroker(leader);
  }

  /** Resolves once what is asked for from now on is downloaded, all of it. */
  async #recovered(of: string, since: number): Promise<Recovery> {
    const probed = await Promise.race([
      this.#probe(recoveryProbes).then(() => true),
      pause(recoveryMs, false, { ref: false }),
    ]);
    if (!probed) throw new Error(`not recovered after ${recoveryMs / 1000} s: ${of}`);
    const seconds = (performance.now() - since) / 1000;
    this.#options.onFault(`recovered after ${seconds.toFixed(1)} s`);
    return { of, seconds };
  }

  #probe(interactive: number): Promise<void> {
    const lifeNow = (): ServerLife | undefined => (this.#isStuck ? undefined : this.#life());
    const probe = handledLater(this.#client.probe(interactive, lifeNow));
    this.#probes.push(probe);
    return probe;
  }

  #order(service: FleetService, orders: Pick<ServiceOrders, 'armed'> = {}): void {
    const all = JSON.stringify({ ...this.#orders, ...orders } satisfies ServiceOrders);
    writeFileSync(ordersFileOf(service.configFile), all);
  }

  /** What the armed service reports; undefined where its point was not reached in time. */
  async #report(): Promise<FailPointReport | undefined> {
    const begun = performance.now();
    let feedAt = begun + feedEveryMs;
    while (performance.now() < begun + patienceMs) {
      if (performance.now() >= feedAt) {
        feedAt += feedEveryMs;
        void this.#probe(feedProbes);
      }
      const line = readFileSync(this.#orders.reportFile, 'utf8').split('\n')[this.#reports];
      if (line !== undefined && line !== '') {
        this.#reports += 1;
        const report = JSON.parse(line) as FailPointReport;
        if (report.inHand === '') throw new Error(`nothing was in hand at ${report.point}`);
        return report;
      }
      await pause(pollMs);
    }
    return undefined;
  }

  async #judge(): Promise<Judgement> {
    const config = readFleetConfig(this.#fleet.configFile);
    const life = this.#life();
    const answers = await this.#client.finish(life, () => this.#isDrained(), this.#isStuck);
    await this.#client.downloadAll(life);
    await this.#fleet.stop();
    await using opened = await openFleetForReading(config);
    return await judgeRun({
      store: opened.store,
      verify: () => verifyFleet(opened, () => undefined),
      oracleFile: this.#orders.oracleFile,
      fleet: this.#devices,
      client: this.#client,
      answers,
    });
  }

  async #isDrained(): Promise<boolean> {
    const lags = await fleetLag(readFleetConfig(this.#fleet.configFile));
    return lags.every(({ lag }) => lag === 0);
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

/** The same at the next opportunity: the one that it waited for may never come. */
function sooner(fault: Fault): Fault {
  return fault.kind === 'kill' ? { ...fault, armed: { ...fault.armed, hit: 1 } } : fault;
}

/** For a run that passed: its evidence is of no use. */
export function removeEvidence({ folder }: FaultRunResult): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}
