import '../one-realm.js';
import type { EmbeddedStore } from '@certmill/adapter-embedded';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import type { ChunkRef } from '@certmill/domain';
import { decodeIssuedChunk, groups, topics } from '@certmill/events';
import type { DeliveredRecord, EventLog, TerminalChunk } from '@certmill/ports';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, ndjson, type TestServer } from '../http/test-server.js';
import { patchedStore } from './patched-store.js';

/** Where a worker is paused, with its chunk in hand. */
const points = [
  'validate begins',
  'its state was read',
  'its verdict was looked for',
  'before it is decided',
  'after it is decided',
  'before it is given to sign',
  'sign begins',
  'after it is signed',
  'before it is published',
  'after it is published',
] as const;
type Point = (typeof points)[number];

/** The first worker that comes by is stopped there until it is let go; the next ones pass. */
class Pause {
  readonly #point: Point;
  readonly reached = Promise.withResolvers<undefined>();
  readonly #gate = Promise.withResolvers<undefined>();
  #isTaken = false;

  constructor(point: Point) {
    this.#point = point;
  }

  async at(point: Point): Promise<void> {
    if (point !== this.#point || this.#isTaken) return;
    this.#isTaken = true;
    this.reached.resolve(undefined);
    await this.#gate.promise;
  }

  release(): void {
    this.#gate.resolve(undefined);
  }
}

let server: TestServer;
let pausing: Pause | undefined;
/** Delivers the record in the zombie's hand to another worker, as a log does after a time-out. */
let redeliver: (() => Promise<void>) | undefined;
/** Resolves when the zombie's own handler has ended. */
let zombieEnded: Promise<void> | undefined;
/** What publish was given, by each worker that came so far. */
let terminals: TerminalChunk[] = [];

function aroundStore(store: EmbeddedStore): EmbeddedStore {
  return patchedStore(store, {
    async chunkState(chunk) {
      const state = await store.chunkState(chunk);
      await pausing?.at('its state was read');
      return state;
    },
    async getVerdict(chunk) {
      const verdict = await store.getVerdict(chunk);
      await pausing?.at('its verdict was looked for');
      return verdict;
    },
    async decide(decision) {
      await pausing?.at('before it is decided');
      const verdict = await store.decide(decision);
      await pausing?.at('after it is decided');
      return verdict;
    },
    async publish(terminal) {
      terminals.push(terminal);
      await pausing?.at('before it is published');
      const outcome = await store.publish(terminal);
      await pausing?.at('after it is published');
      return outcome;
    },
  });
}

function aroundLog(log: EventLog): EventLog {
  return {
    lag: (topic, group) => log.lag(topic, group),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    async append(topic, record) {
      if (topic === topics.requestsValidated.bulk) await pausing?.at('before it is given to sign');
      if (topic === topics.certificatesIssued.bulk) await pausing?.at('after it is signed');
      await log.append(topic, record);
    },
    subscribe(options) {
      const { handler, group, topic } = options;
      if (topic === topics.requestsValidated.bulk) {
        return log.subscribe({
          ...options,
          async handler(record) {
            await pausing?.at('sign begins');
            await handler(record);
          },
        });
      }
      if (group !== groups.validate || topic !== topics.requestsReceived.bulk) {
        return log.subscribe(options);
      }
      return log.subscribe({
        ...options,
        async handler(record: DeliveredRecord) {
          redeliver ??= () => handler(record);
          const work = (async () => {
            await pausing?.at('validate begins');
            await handler(record);
          })();
          zombieEnded ??= work;
          await work;
        },
      });
    },
  };
}

beforeAll(async () => {
  server = await aServer({}, { aroundStore, aroundLog });
  await anOrder(server, 'o1');
});

afterEach(() => {
  pausing?.release();
  pausing = undefined;
  redeliver = undefined;
  zombieEnded = undefined;
  terminals = [];
});

afterAll(() => server[Symbol.asyncDispose]());

/** Everything that a second effect would change. */
async function effectsOf(chunk: ChunkRef, deviceIds: readonly string[]) {
  const { store } = server.server.issuance;
  const held = await Promise.all(deviceIds.map((id) => store.findByDevice(chunk.tenant, id, 10)));
  const batch = await store.getBatch(chunk.tenant, chunk.batchId);
  return {
    segment: Buffer.from((await store.getSegment(chunk)) ?? []).toString('hex'),
    verdict: Buffer.from((await store.getVerdict(chunk)) ?? []).toString('hex'),
    batch,
    reserved: await store.reservedUnder(chunk.tenant, 'o1'),
    certificatesOfDevices: held.map((found) => found.length),
    stats: await store
      .stats()
      .then(({ claims, index }) => [
        claims.entriesInMemory + claims.entriesInRuns,
        index.entriesInMemory + index.entriesInRuns,
      ]),
  };
}

/** The TBSCertificates of a segment, hex. */
function tbsOf(segment: Uint8Array): readonly string[] {
  const { certificatesDer, certificateLengths } = decodeIssuedChunk(segment);
  const walk = createCertificateWalk();
  let at = 0;
  return certificateLengths.map((length) => {
    const der = certificatesDer.subarray(at, (at += length));
    expect(walkCertificate(der, 0, der.length, walk)).toBe(true);
    return Buffer.from(der.subarray(walk.tbsCertificateStart, walk.tbsCertificateEnd)).toString(
      'hex',
    );
  });
}

async function upload(name: string) {
  const csrs = csrsOf(3, name);
  const response = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': name },
    body: ndjsonOf(csrs),
  });
  const { batchId } = (await response.json()) as { batchId: string };
  const chunk: ChunkRef = { tenant: 'default', batchId, chunkNumber: 0 };
  return { chunk, deviceIds: csrs.map(({ deviceId }) => deviceId) };
}

describe('a worker that was paused until another had finished its chunk', () => {
  it.each(points)('has no second effect when it goes on; it stood where %s', async (point) => {
    const pause = new Pause(point);
    pausing = pause;
    const { chunk, deviceIds } = await upload(`zombie-${String(points.indexOf(point))}`);
    await pause.reached.promise;
    await redeliver?.();
    const before = await effectsOf(chunk, deviceIds);
    expect(before.batch?.counters).toMatchObject({ accepted: 3, issued: 3, rejected: 0 });
    expect(before.certificatesOfDevices).toEqual([1, 1, 1]);

    pause.release();
    await zombieEnded;
    expect(await effectsOf(chunk, deviceIds)).toEqual(before);
    // Whatever both of them signed is the same certificate, and the one that is kept.
    expect(terminals.length).toBeGreaterThan(0);
    for (const { segment } of terminals) {
      expect(tbsOf(segment)).toEqual(tbsOf(Buffer.from(before.segment, 'hex')));
    }
  });

  it.each([
    'its state was read',
    'before it is decided',
    'after it is decided',
    'before it is given to sign',
    'sign begins',
    'after it is signed',
    'before it is published',
  ] as const)('issues nothing of what was dropped meanwhile; it stood where %s', async (point) => {
    const { store, services } = server.server.issuance;
    const reserved = await store.reservedUnder('default', 'o1');
    const pause = new Pause(point);
    pausing = pause;
    const { chunk, deviceIds } = await upload(`dropped-${point.replaceAll(' ', '-')}`);
    await pause.reached.promise;
    // The other worker gives it up, and an operator drops it.
    await store.markDeadLettered(chunk, {
      code: 'FAULT_PROCESSING',
      detail: 'poison',
      stage: 'validate',
      topic: topics.requestsReceived.bulk,
      place: '',
    });
    const path = `/v1/batches/${chunk.batchId}/dead-letters/0/drop`;
    expect((await server.call('POST', path)).status).toBe(200);
    const before = await effectsOf(chunk, deviceIds);
    expect(before.batch?.counters).toMatchObject({ accepted: 3, rejected: 3, deadLettered: 0 });
    expect(before.reserved).toBe(reserved);

    pause.release();
    await zombieEnded;
    expect(await effectsOf(chunk, deviceIds)).toEqual(before);
    expect(services.readiness.halted()).toEqual([]);
  });

  it('leaves a sound store', async () => {
    await server.server.stop();
    await using opened = await openStoreForReading(server.data);
    expect(await verifyFolder(opened, () => undefined)).toMatchObject({
      findings: [],
      inFlight: 0,
      certificates: points.length * 3,
    });
  });
});
