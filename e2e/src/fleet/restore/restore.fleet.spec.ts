import '../../one-realm.js';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openKafkaAdmin } from '@certmill/adapter-kafka';
import {
  fleetLag,
  openFleetForReading,
  readFleetConfig,
  verifyFleet,
  type FleetConfig,
  type RestoreReport,
} from '@certmill/fleet';
import { deadLetterTopicOf, groups, topics } from '@certmill/events';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
} from '@certmill/native';
import { jest } from '@jest/globals';
import { runCertmill, type Ended } from '../../cli/testing/run-certmill.js';
import { csrsOf } from '../../testing/a-csr.js';
import { anUpload, batchesOf, cutOff, rejectionsOf, show, whenDone } from '../factory.js';
import { call, type Face } from '../migrate/answers.js';

jest.setTimeout(600_000);

const certmill = join(import.meta.dirname, '../../../../node_modules/.bin/certmill');
const received = topics.requestsReceived.bulk;

let folder = '';
let fleet: LocalFleet;
let config: FleetConfig;
let store: MongoStandIn;
let servers: readonly { stop(): Promise<unknown> }[] = [];
let face: Face;
let besideIngest: Ended | undefined;

const whole = csrsOf(300, 'whole');
/** Their verdicts are stored, their records are gone. */
const lost = csrsOf(20, 'lost');
/** In the log when the backup was made. */
const waiting = csrsOf(300, 'waiting');
const uploading = csrsOf(700, 'uploading');
/** Of the later store. */
const later = csrsOf(40, 'later');
const ids: Record<'whole' | 'lost' | 'waiting' | 'uploading' | 'later', string> = {
  whole: '',
  lost: '',
  waiting: '',
  uploading: '',
  later: '',
};

beforeAll(async () => {
  folder = await makeRunFolder();
  const [kafka, mongo, redis] = await Promise.all([
    KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: 1 }),
    MongoStandIn.start({ folder: join(folder, 'mongo'), data: 'file' }),
    RedisServer.start({ folder: join(folder, 'redis') }),
  ]);
  servers = [kafka, mongo, redis];
  store = mongo;
  fleet = await LocalFleet.start({
    folder: join(folder, 'fleet'),
    environment: {
      KAFKA_BROKERS: kafka.brokers.join(','),
      MONGODB_URI: mongo.uri,
      REDIS_URL: redis.url,
    },
    plan: (['ingest', 'validate', 'sign', 'publish'] as const).map((role) => {
      return { role, lanes: ['bulk', 'interactive'] as const };
    }),
    // So that an upload that is cut off has left some.
    settings: { maxRequestsPerChunk: 256 },
  });
  config = readFleetConfig(fleet.configFile);
  face = { url: fleet.url, key: fleet.adminKey };
  await liveUntilTheBackup();
  await copyDatabase('mongo/mongo.mv', 'backup.mv');
  await liveOn();
  await fleet.stop();
  await copyDatabase('backup.mv', 'mongo/mongo.mv');
});

afterAll(async () => {
  await fleet.stop();
  await Promise.all(servers.map((each) => each.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function stop(...roles: readonly ('validate' | 'sign' | 'publish')[]): Promise<void> {
  await Promise.all(roles.flatMap((role) => fleet.of(role)).map((service) => service.stop()));
}

async function liveUntilTheBackup(): Promise<void> {
  const order = {
    orderId: 'open',
    profile: 'tls-client',
    quota: 5_000,
    requiresAllowList: false,
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  };
  await call(face, 'POST', '/v1/orders', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  });
  ids.whole = (await anUpload(face, 'open', 'whole', whole)).batchId;
  await whenDone(face, ids.whole);
  await stop('sign', 'publish');
  ids.lost = (await anUpload(face, 'open', 'lost', lost)).batchId;
  await until(async () => (await lagOf(received)) === 0);
  const admin = openKafkaAdmin({ brokers: config.kafka.brokers, clientId: 'test' });
  await admin.deleteConsumed([{ topic: received, groups: [groups.validate] }]);
  await admin.stop(1_000);
  await stop('validate');
  ids.waiting = (await anUpload(face, 'open', 'waiting', waiting)).batchId;
  await cutOff(face, 'open', 'uploading', uploading).catch(() => undefined);
  ids.uploading = (await batchesOf(face, 'open'))[0]?.batchId ?? '';
}

/** What comes of it is lost with the database; the topics have it. */
async function liveOn(): Promise<void> {
  for (const service of [...fleet.of('sign'), ...fleet.of('publish')]) service.start();
  await whenDone(face, ids.lost);
  ids.later = (await anUpload(face, 'open', 'later', later)).batchId;
  await stop('sign', 'publish');
  besideIngest = await runCertmill(['fleet', 'restored', '--config', fleet.configFile]);
}

async function lagOf(topic: string): Promise<number> {
  return (await fleetLag(config)).find((state) => state.topic === topic)?.lag ?? -1;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 180_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('it does not come');
    await pause(50);
  }
}

/** The database stands still meanwhile, so it is of one moment. */
async function copyDatabase(from: string, to: string): Promise<void> {
  await store.stop();
  await copyFile(join(folder, from), join(folder, to));
  await store.start();
}

async function restored(killAfterMs?: number): Promise<RestoreReport | undefined> {
  const args = ['fleet', 'restored', '--config', fleet.configFile, '--json'];
  const child = spawn(certmill, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  const timer =
    killAfterMs === undefined
      ? undefined
      : setTimeout(() => {
          if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
        }, killAfterMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return code === 0 ? (JSON.parse(text) as RestoreReport) : undefined;
}

describe('a fleet whose database was restored', () => {
  test('is left alone while an ingest runs, and nothing else', () => {
    expect(besideIngest?.exitCode).not.toBe(0);
    expect(besideIngest?.stderr).toMatch(/CONFLICT: services are running \(.*notify/);
  });

  test('is brought in line with it, killed on the way too', async () => {
    for (const killAfterMs of [1_500, 2_500]) await restored(killAfterMs);
    expect(await restored()).toMatchObject({
      // Killed on the way, some of it may have been done.
      goingOn: 4,
    });
    await using opened = await openFleetForReading(config);
    const { findings, inFlight } = await verifyFleet(opened, () => undefined);
    expect(findings).toEqual([
      expect.stringContaining(`batch ${ids.lost}, chunk 0: the record of this dead letter is lost`),
    ]);
    expect(inFlight).toBe(300 + 512);
  });

  test('ends what was in flight, each request of it once', async () => {
    for (const service of fleet.services) service.start();
    await fleet.whenReady();
    expect(await whenDone(face, ids.waiting)).toMatchObject({
      state: 'complete',
      counters: { issued: 300 },
    });
    expect(await show(face, ids.whole)).toMatchObject({ counters: { issued: 300 } });
  });

  test('has broken off what was being uploaded: it is sent anew in another batch', async () => {
    expect(await whenDone(face, ids.uploading)).toMatchObject({
      state: 'broken-off',
      counters: { accepted: 512, issued: 512 },
    });
    const again = await anUpload(face, 'open', 'uploading', uploading);
    expect(again.batchId).not.toBe(ids.uploading);
    const ended = await whenDone(face, again.batchId);
    expect(ended.counters).toMatchObject({ issued: 188, rejected: 512 });
    const counts = await rejectionsOf(face, again.batchId);
    expect(counts).toEqual(new Map([['DEVICE_ALREADY_ISSUED', 512]]));
  });

  test('knows nothing of the later store, and its records come to nothing', async () => {
    expect((await call(face, 'GET', `/v1/batches/${ids.later}`)).status).toBe(404);
    const again = await anUpload(face, 'open', 'later', later);
    expect(again.batchId).not.toBe(ids.later);
    expect(await whenDone(face, again.batchId)).toMatchObject({ counters: { issued: 40 } });
    const letters: unknown[] = [];
    const admin = openKafkaAdmin({ brokers: config.kafka.brokers, clientId: 'test' });
    const topic = deadLetterTopicOf(received, groups.validate);
    await admin.readAll(topic, (record) => letters.push(record));
    await admin.stop(1_000);
    expect(letters).toEqual([]);
  });

  test('has dead letters of what is lost: dropped, its devices are free', async () => {
    const letter = `/v1/batches/${ids.lost}/dead-letters/0`;
    expect(await show(face, ids.lost)).toMatchObject({ counters: { deadLettered: 20 } });
    expect((await call(face, 'POST', `${letter}/retry`)).status).toBe(409);
    expect((await call(face, 'POST', `${letter}/drop`)).status).toBe(200);
    expect(await rejectionsOf(face, ids.lost)).toEqual(new Map([['PROCESSING_FAILED', 20]]));
    const again = await anUpload(face, 'open', 'lost again', lost);
    expect(await whenDone(face, again.batchId)).toMatchObject({ counters: { issued: 20 } });
  });

  test('is sound in the end', async () => {
    await fleet.stop();
    await using opened = await openFleetForReading(config);
    expect((await verifyFleet(opened, () => undefined)).findings).toEqual([]);
  });
});
