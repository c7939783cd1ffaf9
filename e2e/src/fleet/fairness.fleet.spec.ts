import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
} from '@certmill/native';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { FleetTenant } from './fleet-tenant.js';

// A fleet that starts on busy cores takes minutes, and so does a saturated one.
jest.setTimeout(600_000);

const largeCount = 80_000;
const smallCount = 2_000;
/** Small ones, so that a window is many of them: what is shared is shared by chunks. */
const chunk = 256;
/** Of a tenant, on their way: 16 chunks. */
const window = 16 * chunk;
/** `tenantWindow` where nobody configures it. */
const defaultWindow = 16_384;
/** So much of the large batch has ended when the small one begins: the fleet is saturated. */
const headStart = 4_000;
const singles = 120;
/** What a p90 is said of. */
const leastSingles = 30;
/** Enrolments that are under way at any time. */
const singleCallers = 2;

const large = ndjsonOf(csrsOf(largeCount, 'large'));
const small = ndjsonOf(csrsOf(smallCount, 'small'));
const devices = csrsOf(singles, 'single');

/** What a small batch met that came while a large one of another tenant was under way. */
interface Meeting {
  readonly seconds: number;
  /** Certificates of the large batch that were issued meanwhile: whatever the machine is busy with. */
  readonly passedBy: number;
  /** Of single enrolments meanwhile, in milliseconds. */
  readonly enrolments: readonly number[];
}

let folder = '';
let stopServers: () => Promise<void>;
let fleet: LocalFleet;
/** An ingest that bounds what a tenant has on its way, one that does not, and one as it comes. */
let bounded = '';
let unbounded = '';
let usual = '';

beforeAll(async () => {
  folder = await makeRunFolder();
  const [kafka, store, redis] = await Promise.all([
    KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: 1 }),
    MongoStandIn.start({ folder: join(folder, 'mongo') }),
    RedisServer.start({ folder: join(folder, 'redis') }),
  ]);
  stopServers = async () => {
    await Promise.all([kafka.stop(), store.stop(), redis.stop()]);
  };
  const lanes = ['bulk', 'interactive'] as const;
  fleet = await LocalFleet.start({
    folder: join(folder, 'fleet'),
    environment: {
      KAFKA_BROKERS: kafka.brokers.join(','),
      MONGODB_URI: store.uri,
      REDIS_URL: redis.url,
    },
    plan: [
      { role: 'ingest', lanes, settings: { tenantWindow: window, maxRequestsPerChunk: chunk } },
      {
        role: 'ingest',
        lanes,
        settings: { tenantWindow: largeCount * 2, maxRequestsPerChunk: chunk },
      },
      { role: 'ingest', lanes },
      ...(['validate', 'sign', 'publish'] as const).flatMap((role) =>
        lanes.map((lane) => ({ role, lanes: [lane] })),
      ),
    ],
  });
  [bounded = '', unbounded = '', usual = ''] = fleet.of('ingest').map(({ apiUrl }) => apiUrl ?? '');
});

afterAll(async () => {
  await fleet.stop();
  await stopServers();
  await rm(folder, { recursive: true, force: true });
});

const tenant = (url: string, name: string): Promise<FleetTenant> =>
  FleetTenant.open(url, fleet.adminKey, name, largeCount);

/** From the first octet of the upload to the last certificate. */
async function issueSmall(of: FleetTenant): Promise<number> {
  const begun = performance.now();
  await of.upload(small, 'small');
  const { counters } = await of.whenBatch('small', ({ state }) => state === 'complete');
  expect(counters.issued).toBe(smallCount);
  return (performance.now() - begun) / 1_000;
}

/**
 * A large batch, and what a small one and single enrolments meet that come when it is under way. Within
 * a window its upload lasts as long as the batch; without one it is soon over, and all of it in the log.
 */
async function meet(url: string, name: string, begins: 'at once' | 'behind it'): Promise<Meeting> {
  const [first, second, third] = await Promise.all(
    ['large', 'small', 'single'].map((part) => tenant(url, `${name}-${part}`)),
  );
  const uploading = first!.upload(large, 'large');
  // It is cancelled while it is under way: that refuses the rest of it.
  uploading.catch(() => undefined);
  if (begins === 'behind it') await uploading;
  const issuedOfLarge = async (least: number): Promise<number> => {
    const batch = await first!.whenBatch('large', ({ counters }) => counters.issued >= least);
    return batch.counters.issued;
  };
  const before = await issuedOfLarge(headStart);
  const done = new AbortController();
  const enrolling = enrol(third!, done.signal);
  const seconds = await issueSmall(second!);
  const passedBy = (await issuedOfLarge(0)) - before;
  done.abort();
  const enrolments = await enrolling;
  const { batchId } = await first!.whenBatch('large', () => true);
  await first!.cancel(batchId);
  await uploading.catch(() => undefined);
  await first!.whenBatch('large', ({ counters }) => counters.inFlight === 0);
  return { seconds, passedBy, enrolments };
}

/** Until it is stopped, and at least so many that a p90 says something. */
async function enrol(of: FleetTenant, signal: AbortSignal): Promise<number[]> {
  const milliseconds: number[] = [];
  const waiting = devices.values();
  const call = async (): Promise<void> => {
    for (const device of waiting) {
      if (signal.aborted && milliseconds.length >= leastSingles) break;
      milliseconds.push(await of.enrol(device));
    }
  };
  await Promise.all(Array.from({ length: singleCallers }, call));
  return milliseconds;
}

/**
 * The small batch got its share: few of the large one were issued before it had ended. How long that took, in times of
 * what it needs alone, is seconds of whatever else the machine does.
 */
function isFair({ seconds, passedBy }: Meeting, aloneSeconds: number): boolean {
  return seconds <= 16 * aloneSeconds && passedBy <= 6 * smallCount;
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Infinity;
}

/**
 * On cores that are all busy, with other suites too, each takes longer, but none waits behind the large batch, which
 * would be ten seconds and more; the load tests have the latency of a fleet that has the machine for itself.
 */
function slowestEnrolments(alone: readonly number[]): number {
  return Math.max(1_000, 6 * quantile(alone, 0.9));
}

let alone = 0;

async function secondsAlone(): Promise<number> {
  const runs: number[] = [];
  for (const name of ['warm-up', 'alone-1', 'alone-2']) {
    runs.push(await issueSmall(await tenant(bounded, name)));
  }
  return Math.max(...runs.slice(1));
}

async function enrolmentsAlone(): Promise<readonly number[]> {
  return enrol(await tenant(bounded, `alone-single-${String((alone += 1))}`), AbortSignal.abort());
}

test('a tenant that saturates the fleet holds up neither batches nor enrolments of others', async () => {
  const aloneSeconds = await secondsAlone();
  const slowest = slowestEnrolments(await enrolmentsAlone());
  const fair = await meet(bounded, 'bounded', 'at once');
  report('with a window', fair, aloneSeconds, slowest);
  expect(isFair(fair, aloneSeconds)).toBe(true);
  expect(quantile(fair.enrolments, 0.9)).toBeLessThan(slowest);

  const unfair = await meet(unbounded, 'unbounded', 'behind it');
  report('without one', unfair, aloneSeconds, slowest);
  expect(isFair(unfair, aloneSeconds)).toBe(false);
  // Lanes are apart in any case.
  expect(quantile(unfair.enrolments, 0.9)).toBeLessThan(slowest);
});

test('with the default settings a small batch waits for one window of a large one at most', async () => {
  const slowest = slowestEnrolments(await enrolmentsAlone());
  const meeting = await meet(usual, 'usual', 'at once');
  report('as it comes', meeting, Number.NaN, slowest);
  expect(meeting.passedBy).toBeLessThanOrEqual(defaultWindow + 6 * smallCount);
  expect(quantile(meeting.enrolments, 0.9)).toBeLessThan(slowest);
});

function report(
  what: string,
  { seconds, passedBy, enrolments }: Meeting,
  alone: number,
  slowest: number,
): void {
  const [p50 = '', p90 = '', most = ''] = [0.5, 0.9, 1 - 1 / enrolments.length].map((share) =>
    quantile(enrolments, share).toFixed(0),
  );
  console.log(
    `${what}: ${seconds.toFixed(1)} s (alone ${alone.toFixed(1)} s), passed by ${passedBy} others, ${enrolments.length} enrolments: p50 ${p50} ms, p90 ${p90} ms (bound ${slowest.toFixed(0)} ms), at most ${most} ms`,
  );
}
