import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { initCollections } from '@certmill/adapter-mongo';
import { topics } from '@certmill/events';
import { fleetLag } from '@certmill/fleet';
import {
  makeRunFolder,
  Pkcs11Faults,
  SoftHsm,
  type FleetRole,
  type FleetService,
} from '@certmill/native';
import { csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { aName, TestFleet, until, type LogLine } from './testing/test-fleet.js';

const orderId = 'line-1';
/** Of a chunk at most, so that a batch has many. */
const chunkSize = 256;
/** In hand of a process: the rest of a batch waits for whoever comes. */
const inHand = 4;
/** So a chunk takes a slot most of a second, on any machine. */
const slowSign = { function: 'C_Sign', does: { sleepMs: 3 } } as const;
const forEver = { sleepMs: 3_600_000 };
/** Of a chunk in a slot: many times what it takes. */
const signTimeoutMs = 10_000;
/** The default of stopTimeoutMs, and what a process has beyond it on busy cores. */
const stopsWithinMs = 15_000 + 15_000;

let folder: string;
let faults: Pkcs11Faults;
let fleet: TestFleet;
/** Of all batches here. */
let certificates = 0;

beforeAll(async () => {
  folder = await makeRunFolder();
  const hsm = await SoftHsm.open(join(folder, 'softhsm'));
  const { pin, pinFile } = await hsm.createToken({ label: 'east' });
  await hsm.createToken({ label: 'west', pin });
  faults = await Pkcs11Faults.open(join(folder, 'faults'), hsm.moduleFile);
  fleet = await TestFleet.make({
    environment: {
      ...hsm.environment,
      ...faults.environment,
      PKCS11_MODULE: faults.moduleFile,
      PKCS11_TOKEN_LABELS: 'east,west',
      PKCS11_PIN_FILE: pinFile,
      SOFTHSM2_UTIL: hsm.utility,
    },
    usesTokens: true,
    partitions: { bulk: 8, interactive: 1 },
    settings: {
      logLevel: 'debug',
      maxRequestsPerChunk: chunkSize,
      chunksInHand: { bulk: inHand, interactive: inHand },
      signTimeoutMs,
    },
  });
});

afterAll(async () => {
  await fleet.stop();
  await rm(folder, { recursive: true, force: true });
});

function says(role: FleetRole, text: string, from = 0): boolean {
  return fleet
    .logOf(role)
    .slice(from)
    .some(({ msg }) => String(msg).includes(text));
}

/** What each role says at /readyz and in its log. */
async function waitsFor(roles: readonly FleetRole[], what: string, reason: string): Promise<void> {
  for (const role of roles) {
    await until(`${role} waits for ${what}: ${reason}`, async () => {
      const told = (await fleet.service(role).readiness()) as WaitingBody | undefined;
      const isWaiting = told?.status === 'waiting' && told.waitingFor?.includes(what) === true;
      return isWaiting && says(role, `waiting for ${what}: ${reason}`);
    });
  }
}

interface WaitingBody {
  readonly status: string;
  readonly waitingFor?: readonly string[];
}

/** Starts a batch; the caller waits for its end. */
async function begin(count: number): Promise<string> {
  certificates += count;
  const name = aName('batch');
  return fleet.upload(orderId, name, ndjsonOf(csrsOf(count, name)));
}

async function expectIssuedOnce(batchId: string, count: number): Promise<void> {
  expect(await fleet.settled(batchId)).toMatchObject({
    state: 'complete',
    counters: { accepted: count, issued: count, rejected: 0, deadLettered: 0, inFlight: 0 },
  });
  const answer = await fleet.call('GET', `/v1/batches/${batchId}/certificates`);
  const lines = (await answer.text()).trim().split('\n');
  const told = lines.map((line) => JSON.parse(line) as Certificate);
  expect(told).toHaveLength(count);
  expect(new Set(told.map(({ index }) => index)).size).toBe(count);
  expect(new Set(told.map(({ deviceId }) => deviceId)).size).toBe(count);
  expect(new Set(told.map(({ serialNumber }) => serialNumber)).size).toBe(count);
}

interface Certificate {
  readonly index: number;
  readonly deviceId: string;
  readonly serialNumber: string;
}

/** Chunks that a process has done. */
async function chunksDone({ operationsUrl, role }: FleetService): Promise<number> {
  const answer = await fetch(`${operationsUrl}/metrics`);
  const series = `certmill_chunk_duration_seconds_count{stage="${role}",lane="bulk"} `;
  const line = (await answer.text()).split('\n').find((each) => each.startsWith(series));
  return Number(line?.slice(series.length) ?? 0);
}

/** SIGTERM; it must end by itself, and in time. */
async function expectToDrain(...services: readonly FleetService[]): Promise<void> {
  await Promise.all(
    services.map(async (service) => {
      const begunMs = performance.now();
      expect([service.name, await service.stop()]).toEqual([service.name, 0]);
      expect(performance.now() - begunMs).toBeLessThan(stopsWithinMs);
    }),
  );
}

describe('services that are started before anything is there', () => {
  const ofInit = "run 'certmill fleet init'";
  const early = ['sign', 'publish'] as const;
  const all = [...early, 'ingest', 'validate'] as const;

  it('wait for each server and for fleet init, say so, and are ready once they are there', async () => {
    const mongodb = `mongodb at ${new URL(fleet.mongo.uri).host}`;
    const kafka = `kafka at ${fleet.kafka.brokers.join(', ')}`;
    for (const role of early) fleet.service(role).start();
    await waitsFor(early, mongodb, 'FAULT_STORE_DOWN: ');

    await fleet.mongo.start();
    await waitsFor(early, mongodb, `FAULT_STORE_DOWN: ${ofInit}: `);
    for (const role of ['ingest', 'validate'] as const) fleet.service(role).start();
    await waitsFor(all, mongodb, `FAULT_STORE_DOWN: ${ofInit}: `);

    // A database that was there before the brokers.
    await initCollections({ uri: fleet.mongo.uri, database: fleet.config.mongo.database });
    await waitsFor(all, kafka, 'FAULT_BUS_DOWN: ');

    await fleet.kafka.start();
    const missing = `the topic ${topics.requestsReceived.bulk} is missing`;
    await waitsFor(all, kafka, `FAULT_BUS_DOWN: ${ofInit}: ${missing}`);

    await fleet.fleet.init();
    await fleet.fleet.whenReady();
    for (const role of all) expect(says(role, `${kafka} is there`)).toBe(true);
    await fleet.openOrder(orderId);
    await expectIssuedOnce(await begin(10), 10);
  });

  it('wait for topics that differ from the configuration, and say in what', async () => {
    const kafka = `kafka at ${fleet.kafka.brokers.join(', ')}`;
    const topic = topics.certificatesIssued.bulk;
    const difference = `the topic ${topic} has retention.ms 3600000, and should have -1`;
    await expectToDrain(fleet.service('publish'));
    await fleet.kafka.alterTopic(topic, { 'retention.ms': '3600000' });
    fleet.service('publish').start();
    await waitsFor(['publish'], kafka, `FAULT_BUS_DOWN: ${ofInit}: ${difference}`);

    // It changes nothing that is there, and says what differs.
    const told = await fleet.certmill('fleet', 'init', '--json');
    expect([told.exitCode, JSON.parse(told.stdout)]).toMatchObject([
      1,
      { createdTopics: [], differences: [difference] },
    ]);
    expect((await fleet.service('publish').readiness())?.status).toBe('waiting');
    await fleet.kafka.alterTopic(topic, { 'retention.ms': '-1' });
    await fleet.fleet.whenReady();
  });
});

describe('a fleet under load', () => {
  it('gives partitions to a sign that is added, and issues each certificate once', async () => {
    await faults.set(slowSign);
    const devices = new EndlessDevices();
    const uploading = fleet.call('POST', `/v1/orders/${orderId}/batches`, {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': aName('endless') },
      body: ReadableStream.from(devices.lines()),
    });
    try {
      const [first] = fleet.fleet.of('sign');
      const before = await chunksDone(first!);
      await until('the batch is under way', async () => (await chunksDone(first!)) > before);
      const [added] = await fleet.fleet.add({ role: 'sign', lanes: ['bulk', 'interactive'] });
      await fleet.fleet.whenReady();
      await until('the added sign works', async () => (await chunksDone(added!)) > 0);
      const lags = await fleetLag(fleet.config);
      const signing = lags.find(({ topic }) => topic === topics.requestsValidated.bulk);
      expect(signing?.members).toBe(2);
    } finally {
      devices.end();
    }
    const answer = await uploading;
    expect(answer.status).toBe(202);
    const { batchId } = (await answer.json()) as { readonly batchId: string };
    await expectIssuedOnce(batchId, devices.count);
    certificates += devices.count;
  });

  it('drains each role on SIGTERM, and loses and doubles nothing', async () => {
    await faults.set(slowSign);
    const factory = new Factory();
    const working = factory.work();
    try {
      for (const role of ['ingest', 'validate', 'sign', 'publish'] as const) {
        await factory.isUnderWay(role);
        const services = fleet.fleet.of(role);
        await expectToDrain(...services);
        expect(factory.isWorking).toBe(true);
        for (const service of services) service.start();
        await fleet.fleet.whenReady();
      }
    } finally {
      factory.stop();
      await working;
    }
    for (const batchId of factory.batchIds) await expectIssuedOnce(batchId, Factory.batchSize);
    certificates += factory.batchIds.length * Factory.batchSize;
  });
});

/** A batch whose upload lasts until it is told to end. */
class EndlessDevices {
  count = 0;
  #isEnding = false;

  end(): void {
    this.#isEnding = true;
  }

  /** As fast as one process signs. */
  async *lines(): AsyncGenerator<Uint8Array> {
    while (!this.#isEnding) {
      yield Buffer.from(ndjsonOf(csrsOf(32, aName('endless'))));
      this.count += 32;
      await pause(50);
    }
  }
}

/** Uploads one batch after the other, slowly, and each again until it is taken. */
class Factory {
  static readonly batchSize = chunkSize;
  readonly batchIds: string[] = [];
  #isStopping = false;
  #isWorking = false;

  get isWorking(): boolean {
    return this.#isWorking;
  }

  stop(): void {
    this.#isStopping = true;
  }

  async work(): Promise<void> {
    this.#isWorking = true;
    while (!this.#isStopping) {
      const name = aName('line');
      const devices = csrsOf(Factory.batchSize, name);
      let batchId: string | undefined;
      while (batchId === undefined) batchId = await this.#tryUpload(name, devices);
      this.batchIds.push(batchId);
    }
    this.#isWorking = false;
  }

  /** Resolves while chunks go through the stage: others are in its hand or wait for it. */
  async isUnderWay(role: FleetRole): Promise<void> {
    if (role === 'ingest') {
      const series = 'certmill_http_uploads_active';
      await until('an upload is under way', async () => (await fleet.metric(role, series)) > 0);
      return;
    }
    // Of all its processes: which one has the partitions of this tenant is chance.
    const done = async (): Promise<number> => {
      const counts = await Promise.all(fleet.fleet.of(role).map(chunksDone));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const before = await done();
    await until(`${role} is at work`, async () => (await done()) > before);
  }

  async #tryUpload(name: string, devices: readonly DeviceCsr[]): Promise<string | undefined> {
    try {
      const answer = await fleet.call('POST', `/v1/orders/${orderId}/batches`, {
        headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': name },
        body: ReadableStream.from(slowly(devices)),
      });
      const { batchId } = (await answer.json()) as { readonly batchId: string };
      if (answer.status === 202) return batchId;
    } catch {
      // Its connection is gone with the ingest that it led to.
    }
    await pause(200);
    return undefined;
  }
}

async function* slowly(devices: readonly DeviceCsr[]): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < devices.length; at += 32) {
    yield Buffer.from(ndjsonOf(devices.slice(at, at + 32)));
    await pause(100);
  }
}

describe('a sign whose C_Sign hangs in one slot', () => {
  const isFatal = ({ level }: LogLine): boolean => level === 'fatal' || level === 60;
  const isDone = ({ msg }: LogLine): boolean => msg === 'chunk done';
  const count = 20 * chunkSize;
  let batchId = '';

  it('finishes in the other slot what it holds, and ends for its supervisor', async () => {
    const [, second] = fleet.fleet.of('sign');
    await expectToDrain(second!);
    await faults.set(
      { function: 'C_Sign', does: forEver, at: { token: 'east' } },
      { ...slowSign, at: { token: 'west' } },
    );
    const from = fleet.logOf('sign').length;
    batchId = await begin(count);
    const sign = fleet.service('sign');
    await until('sign ends by itself', () => sign.pid === undefined);
    expect(await sign.whenEnded()).toBe(1);

    const afterIt = (): readonly LogLine[] => {
      const log = fleet.logOf('sign').slice(from);
      return log.slice(log.findIndex(isFatal));
    };
    expect(JSON.stringify(afterIt()[0])).toContain('slot east hangs');
    expect(afterIt().filter(isDone).length).toBeGreaterThan(0);
    expect((await fleet.batch(batchId)).counters.inFlight).toBeGreaterThan(0);
  });

  it('is started again, ready without the slot, and the batch completes', async () => {
    const sign = fleet.service('sign');
    sign.start();
    await sign.whenReady(90_000);
    const ready = (slot: string): Promise<number> =>
      fleet.metric('sign', `certmill_sign_slot_ready{slot="${slot}"}`);
    expect([await ready('east'), await ready('west')]).toEqual([0, 1]);
    await expectIssuedOnce(batchId, count);
    await expectToDrain(sign);
  });
});

it('everything is accounted for in the end', async () => {
  await fleet.drained();
  await expectToDrain(...(['ingest', 'validate', 'publish'] as const).map((r) => fleet.service(r)));
  expect(await fleet.verified()).toMatchObject({ findings: [], inFlight: 0, certificates });
});
