import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
} from '@certmill/native';
import { runCertmill } from '../cli/testing/run-certmill.js';

/** The commands for a fleet, typed as an SRE would, on servers of their own. */
describe('the commands for a fleet', () => {
  let folder: string;
  let work: string;
  let stops: (() => Promise<void>)[];
  let fleet: LocalFleet;

  beforeAll(async () => {
    folder = await makeRunFolder();
    work = await mkdtemp(join(tmpdir(), 'certmill-commands-'));
    const [kafka, store, redis] = await Promise.all([
      KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: 1 }),
      MongoStandIn.start({ folder: join(folder, 'mongo') }),
      RedisServer.start({ folder: join(folder, 'redis') }),
    ]);
    stops = [() => kafka.stop(), () => store.stop(), () => redis.stop()];
    fleet = await LocalFleet.start({
      folder: join(folder, 'fleet'),
      environment: {
        KAFKA_BROKERS: kafka.brokers.join(','),
        MONGODB_URI: store.uri,
        REDIS_URL: redis.url,
      },
      plan: (['ingest', 'validate', 'sign', 'publish'] as const).map((role) => ({
        role,
        lanes: ['bulk', 'interactive'],
      })),
    });
    await writeFile(join(work, 'admin.key'), fleet.adminKey, { mode: 0o600 });
  });

  afterAll(async () => {
    await fleet.stop();
    await Promise.all(stops.map((stop) => stop()));
    await rm(folder, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
  });

  const type = (...args: string[]) =>
    runCertmill([...args], { cwd: work, env: { CERTMILL_CONFIG: fleet.configFile } });

  it('init says that nothing is left to do, and shows no credential twice', async () => {
    const { exitCode, stdout } = await type('fleet', 'init', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      createdTopics: [],
      grownTopics: [],
      madeInStore: [],
      differences: [],
      warnings: expect.any(Array) as unknown,
    });
    const plain = await type('fleet', 'init');
    expect(plain.stdout).toContain('made 0 topics; the store was ready');
  });

  it('lag shows every topic with who works on it', async () => {
    const { exitCode, stdout } = await type('fleet', 'lag');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^certmill\.requests\.validated\.v1\.bulk +0 +4 +1 +Stable$/m);
    const { lags } = JSON.parse((await type('fleet', 'lag', '--json')).stdout) as {
      readonly lags: readonly { readonly lag: number; readonly members: number }[];
    };
    expect(lags).toHaveLength(6);
    expect(lags.every(({ lag, members }) => lag === 0 && members === 1)).toBe(true);
  });

  it('bench issues a batch, and plan reads what it printed', async () => {
    const metrics = fleet.services.flatMap(({ name, operationsUrl }) => [
      '--metrics',
      `${name}=${operationsUrl}`,
    ]);
    const bench = await type(
      ...['fleet', 'bench', '--server', fleet.url, '--key-file', 'admin.key', ...metrics],
      ...['--requests', '600', '--warm-up', '0', '--json'],
    );
    expect([bench.exitCode, bench.stderr]).toEqual([0, expect.any(String)]);
    const report = JSON.parse(bench.stdout) as {
      readonly issued: number;
      readonly services: readonly {
        readonly name: string;
        readonly cpuMicroseconds: number;
        readonly readBytes: number | null;
        readonly writtenBytes: number | null;
      }[];
      readonly signaturesPerSessionSecond: number | null;
      readonly appendedBytes: Readonly<Record<string, number>>;
    };
    expect(report.issued).toBe(600);
    expect(report.services.map(({ name }) => name)).toEqual([
      'ingest',
      'validate',
      'sign',
      'publish',
    ]);
    expect(report.services.every(({ cpuMicroseconds }) => cpuMicroseconds > 0)).toBe(true);
    // A request is some 300 octets, and each service reads and writes it, or what comes of it.
    for (const { readBytes, writtenBytes } of report.services) {
      expect(Math.min(readBytes ?? 0, writtenBytes ?? 0)).toBeGreaterThan(200);
    }
    expect(report.signaturesPerSessionSecond).toBeGreaterThan(0);
    expect(Object.values(report.appendedBytes).every((bytes) => bytes > 0)).toBe(true);
    await writeFile(join(work, 'bench.json'), bench.stdout);
    const plan = await type('plan', '--per-day', '1e9', '--bench', 'bench.json');
    expect(plan.exitCode).toBe(0);
    expect(plan.stdout).toMatch(/^validate +[\d.]+ +\d+ /m);
  });

  it('verify checks what the bench has issued', async () => {
    const { exitCode, stdout } = await type('fleet', 'verify');
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^the store is sound$/m)]);
    expect(stdout).toMatch(
      /^6\d\d certificates and 0 rejections in \d+ batches, 0 requests in flight$/m,
    );
    const told = JSON.parse((await type('fleet', 'verify', '--json')).stdout) as unknown;
    expect(told).toMatchObject({ inFlight: 0, findings: [], findingsLeftOut: 0 });
  });

  it('a service that is told a wrong configuration names the line and the reason', async () => {
    const file = join(work, 'wrong.yaml');
    await writeFile(file, 'kafka:\n  brokers: [localhost]\nmongo:\n  uri: mongodb://u:p@host/\n');
    const { exitCode, stderr } = await type('serve', '--role', 'sign', '--config', file);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('wrong.yaml:2: kafka.brokers.0: must be host:port');
    expect(stderr).toContain('wrong.yaml:4: mongo.uri: must not hold credentials');
    expect(stderr).not.toContain('u:p');
  });
});
