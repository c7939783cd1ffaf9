import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { leastRequestsPerChunk } from '@certmill/domain';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { createHierarchy } from '@certmill/trust';
import { FactoryClient, handledLater, type ServerLife } from './factory-client.js';
import {
  failPointKinds,
  failPoints,
  kindOf,
  type ArmedFailPoint,
  type FailPointKind,
  type FailPointReport,
} from './fail-point.js';
import { armDisks, disarmDisks, diskKills, isArmed, type DiskFault } from './faulty-disks.js';
import { makeFleet, pacedRequestsOf } from './fleet.js';
import { judgeRun, type Judgement } from './judge-run.js';
import type { PlantedBug } from './planted-bugs.js';
import { ServerProcess } from './server-process.js';
import type { ServerOrders } from './server.js';

export interface CrashRunOptions {
  /** An empty folder. */
  readonly directory: string;
  /** Kills at fail-points, spread evenly over stages and what lies between effect and offset. */
  readonly kills: number;
  /** Kills right before or after I/O steps, the first so many of `diskKills`. */
  readonly diskKills: number;
  readonly requests: number;
  readonly random: () => number;
  readonly plant: PlantedBug | undefined;
  /** Told of each life as it ends. */
  readonly onLife: (text: string) => void;
}

export interface CrashRunResult extends Judgement {
  /** By fail-point or I/O step. */
  readonly killsByPoint: ReadonlyMap<string, number>;
  readonly killsByKind: ReadonlyMap<FailPointKind, number>;
  readonly randomKills: number;
}

/** What ends a life of the server; `random`: a kill from outside at any moment. */
type Death =
  | { readonly at: 'fail-point'; readonly armed: ArmedFailPoint }
  | { readonly at: 'disk'; readonly fault: DiskFault }
  | { readonly at: 'random' };

const atRandom: Death = { at: 'random' };

/** A fail-point that nothing reaches in this time, start included, is tried again later. */
const patienceMs = 20_000;
/** A random kill comes this long after the start at the latest: the client is busy by then. */
const maxRandomMs = 800;
/** How long a stuck chunk waits for the client, which finds no certificate in a rejected one. */
const lingerMs = 3_000;
const lingerPollMs = 20;
/** What the last life still gets to upload. */
const lastShare = 0.1;

/** Runs the server until it has died as often as wanted and everything is issued; then judges. */
export async function crashRun(options: CrashRunOptions): Promise<CrashRunResult> {
  const run = new CrashRun(options);
  await run.prepare();
  return run.run();
}

class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #client: FactoryClient;
  readonly #fleet;
  readonly #orders: Omit<ServerOrders, 'armed'>;
  readonly #logFile: string;
  readonly #byPoint = new Map<string, number>();
  readonly #byKind = new Map<FailPointKind, number>();
  #reports = 0;
  #randomKills = 0;
  #lives = 0;
  #key = '';

  constructor(options: CrashRunOptions) {
    const { directory, requests, random, plant } = options;
    this.#options = options;
    this.#fleet = makeFleet(requests);
    this.#client = new FactoryClient(this.#fleet, random);
    this.#logFile = join(directory, 'server.log');
    this.#orders = {
      data: join(directory, 'data'),
      passphraseFile: join(directory, 'passphrase'),
      oracleFile: join(directory, 'oracle'),
      reportFile: join(directory, 'reports'),
      controlFile: join(directory, 'disk-fault'),
      plant,
    };
  }

  async prepare(): Promise<void> {
    const { data, passphraseFile, oracleFile, reportFile } = this.#orders;
    const passphrase = 'only for this run';
    await mkdir(data, { mode: 0o700 });
    // No certificate begins before its issuer: a young one would hide which receivedAt was used.
    const nowMs = Date.now() - 3_600_000;
    await createHierarchy({ name: 'dev', directory: data, passphrase, nowMs });
    await writeFile(passphraseFile, passphrase, { mode: 0o600 });
    writeFileSync(oracleFile, '');
    writeFileSync(reportFile, '');
  }

  async run(): Promise<CrashRunResult> {
    const deaths = this.#plan();
    const paced = this.#fleet.batches.reduce((sum, batch) => sum + pacedRequestsOf(batch), 0);
    const share = (paced * (1 - lastShare)) / deaths.length;
    const maxLives = deaths.length * 2 + 10;
    for (let death = deaths.shift(); death !== undefined; death = deaths.shift()) {
      this.#client.allowance = Math.floor(share * (this.#lives + 1));
      const died = await this.#live(death);
      if (!died) deaths.push(sooner(death));
      if (this.#lives > maxLives) throw new Error('fail-points are not reached any more');
    }
    this.#client.allowance = Infinity;
    const judgement = await this.#lastLife();
    return {
      ...judgement,
      killsByPoint: this.#byPoint,
      killsByKind: this.#byKind,
      randomKills: this.#randomKills,
    };
  }

  /** The first life opens the orders, so it dies at no fail-point. */
  #plan(): Death[] {
    const { kills, requests, random } = this.#options;
    const randomKills = Math.max(1, Math.ceil(kills / 5));
    const lives = kills + randomKills + this.#options.diskKills;
    const chunksPerLife = Math.floor((requests * (1 - lastShare)) / lives / leastRequestsPerChunk);
    const deaths: Death[] = Array.from({ length: kills }, (_, i) => {
      const kind = failPointKinds[i % failPointKinds.length]!;
      const names = failPoints[kind];
      const name = names[Math.floor(i / failPointKinds.length) % names.length]!;
      const range = name.startsWith('signature') ? 250 : Math.min(3, Math.max(1, chunksPerLife));
      // Lingering lets the client see what the next life will find undone.
      const lingers = kind === 'offset' && (i === 0 || random() < 0.6);
      const hit = 1 + Math.floor(random() * range);
      return { at: 'fail-point', armed: { name, hit, lingers } };
    });
    const atDisks = diskKills.slice(0, this.#options.diskKills);
    const others: Death[] = [
      ...Array.from({ length: randomKills - 1 }, () => atRandom),
      ...atDisks.map((fault): Death => ({ at: 'disk', fault })),
    ];
    for (const other of others) {
      deaths.splice(Math.floor(random() * (deaths.length + 1)), 0, other);
    }
    return [atRandom, ...deaths];
  }

  /** One life; resolves to whether it ended as it was meant to. */
  async #live(death: Death): Promise<boolean> {
    const { controlFile } = this.#orders;
    const armed = death.at === 'fail-point' ? death.armed : undefined;
    if (death.at === 'disk') armDisks(controlFile, death.fault);
    const begun = performance.now();
    const server = this.#start(armed);
    const isFirst = this.#key === '';
    const working = this.#work(server, isFirst);
    const lingering = armed?.lingers === true ? this.#killOnceRead(server) : undefined;
    const late = pause(patienceMs, undefined, { signal: server.gone }).then(
      () => server.kill(),
      () => undefined,
    );
    if (death.at === 'random') {
      await (isFirst ? Promise.race([working.opened, server.ended()]) : server.ready());
      await pause(this.#options.random() * maxRandomMs);
      server.kill();
    }
    const end = await server.ended();
    await Promise.all([working.done, late, lingering]);
    if (end.signal !== 'SIGKILL') {
      const log = readFileSync(this.#logFile, 'utf8').slice(-2_000);
      throw new Error(`the server ended by itself with ${end.code ?? end.signal}\n${log}`);
    }
    const report = this.#takeReport();
    const isMeant =
      death.at === 'disk' ? !isArmed(controlFile) : armed === undefined || report !== undefined;
    disarmDisks(controlFile);
    const where = whereOf(death, isMeant);
    if (where === undefined) this.#randomKills += 1;
    else this.#byPoint.set(where, (this.#byPoint.get(where) ?? 0) + 1);
    const inHand = report === undefined ? '' : ` of ${report.inHand}`;
    const how = `${where ?? 'a random moment'}${inHand}`;
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    this.#options.onLife(`life ${this.#lives}: killed at ${how} after ${seconds} s`);
    return isMeant;
  }

  /** Kills a server that lingers once the client has downloaded of the chunk that is stuck. */
  async #killOnceRead(server: ServerProcess): Promise<void> {
    let waitedMs = 0;
    while (!server.gone.aborted) {
      await pause(lingerPollMs);
      const report = this.#peekReport();
      if (report === undefined) continue;
      waitedMs += lingerPollMs;
      if (waitedMs > lingerMs || this.#client.hasRead(report.inHand)) server.kill();
    }
  }

  #work(server: ServerProcess, isFirst: boolean) {
    const client = this.#client;
    const opened = Promise.withResolvers<undefined>();
    const work = async (): Promise<void> => {
      const life = await this.#lifeOf(server);
      if (life === undefined) return;
      if (isFirst) await client.openOrders(life);
      opened.resolve(undefined);
      await client.work(life);
    };
    return { opened: opened.promise, done: handledLater(work()) };
  }

  async #lifeOf(server: ServerProcess): Promise<ServerLife | undefined> {
    const ready = await server.ready();
    if (ready === undefined) return undefined;
    this.#key = ready.key ?? this.#key;
    return { url: ready.url, key: this.#key, gone: server.gone };
  }

  async #lastLife(): Promise<Judgement> {
    const server = this.#start(undefined);
    const life = await this.#lifeOf(server);
    if (life === undefined) throw new Error('the server did not start any more');
    const client = this.#client;
    await client.work(life);
    const answers = await client.finish(life);
    await client.downloadAll(life);
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`the server stopped with ${code}`);
    const { data, oracleFile } = this.#orders;
    await using opened = await openStoreForReading(data);
    return await judgeRun({
      store: opened.store,
      verify: () => verifyFolder(opened, () => undefined),
      oracleFile,
      fleet: this.#fleet,
      client,
      answers,
    });
  }

  #start(armed: ArmedFailPoint | undefined): ServerProcess {
    this.#lives += 1;
    const log = openSync(this.#logFile, 'a');
    const server = new ServerProcess({ ...this.#orders, armed }, log);
    closeSync(log);
    return server;
  }

  /** What the present life reported, or the one that just ended, if it reached its fail-point. */
  #peekReport(): FailPointReport | undefined {
    const lines = readFileSync(this.#orders.reportFile, 'utf8').split('\n');
    const line = lines[this.#reports];
    return line === undefined || line === '' ? undefined : (JSON.parse(line) as FailPointReport);
  }

  /** The report of the life that just ended, counted. */
  #takeReport(): FailPointReport | undefined {
    const report = this.#peekReport();
    if (report === undefined) return undefined;
    const { point, inHand } = report;
    if (inHand === '') throw new Error(`nothing was in hand at ${point}`);
    this.#reports += 1;
    const kind = kindOf(point);
    this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0) + 1);
    return report;
  }
}

/** The same at the next opportunity: the one that it waited for may never come. */
function sooner(death: Death): Death {
  return death.at === 'fail-point' ? { ...death, armed: { ...death.armed, hit: 1 } } : death;
}

/** Undefined for a random moment, also where what was meant did not come. */
function whereOf(death: Death, isMeant: boolean): string | undefined {
  if (!isMeant || death.at === 'random') return undefined;
  if (death.at === 'fail-point') return death.armed.name;
  return `${death.fault.step} ${death.fault.mode}`;
}
