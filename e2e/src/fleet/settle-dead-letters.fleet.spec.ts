import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { topics } from '@certmill/events';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { poisonFileOf } from './testing/poisoned-service.js';
import { aName, TestFleet, until, type BatchBody } from './testing/test-fleet.js';

const root = join(import.meta.dirname, '../../..');
const program = fileURLToPath(new URL('./testing/poisoned-service.js', import.meta.url));
/** Of each batch here: one chunk. */
const count = 3;

let fleet: TestFleet;

interface Letter {
  readonly chunk: number;
  readonly requests: number;
  readonly state: string;
  readonly code: string;
  readonly stage: string;
}

/** A batch whose only chunk is a dead letter. */
interface DeadBatch {
  readonly batchId: string;
  readonly lines: string;
}

/** By stage, made in it by different causes: sign does not know the profile, publish finds poison. */
const dead: Record<'sign' | 'publish', DeadBatch[]> = { sign: [], publish: [] };
const orderOf = { sign: 'own', publish: 'o1' } as const;
const topicOf = {
  sign: topics.requestsValidated.bulk,
  publish: topics.certificatesIssued.bulk,
} as const;

async function lettersOf(batchId: string): Promise<readonly Letter[]> {
  const answer = await fleet.call('GET', `/v1/batches/${batchId}/dead-letters`);
  return ((await answer.json()) as { items: Letter[] }).items;
}

async function settle(batchId: string, action: 'retry' | 'drop'): Promise<unknown> {
  const path = `/v1/batches/${batchId}/dead-letters/0/${action}`;
  return (await fleet.call('POST', path)).json();
}

async function reservedUnder(order: string): Promise<number> {
  const answer = await fleet.call('GET', `/v1/orders/${order}`);
  return ((await answer.json()) as { reserved: number }).reserved;
}

interface Listed {
  readonly records: readonly {
    readonly topic: string;
    readonly place: string;
    readonly code: string;
    readonly owner: string;
    readonly chunk: { readonly batchId: string };
  }[];
}

async function recordOf(batchId: string) {
  const told = await fleet.certmill('dlq', 'list', '--json');
  expect([told.exitCode, told.stderr]).toEqual([0, '']);
  const { records } = JSON.parse(told.stdout) as Listed;
  return records.filter(({ chunk }) => chunk.batchId === batchId);
}

async function makeDead(stage: 'sign' | 'publish'): Promise<void> {
  const uploads = ['asked for', 'by its record', 'dropped'].map(async (name) => {
    const lines = ndjsonOf(csrsOf(count, `${stage}-${name.replaceAll(' ', '-')}`));
    return { batchId: await fleet.upload(orderOf[stage], `${stage} ${name}`, lines), lines };
  });
  dead[stage].push(...(await Promise.all(uploads)));
  for (const { batchId } of dead[stage]) {
    expect(await fleet.settled(batchId)).toMatchObject({
      state: 'complete',
      counters: { accepted: count, issued: 0, deadLettered: count, inFlight: 0 },
    });
  }
}

/** Where records are lost, and what their chunk and the next one hold of a quota before and after the drop. */
const lostFrom = [
  {
    stage: 'validate',
    topic: topics.requestsReceived.bulk,
    reservedBefore: count,
    reservedAfter: count,
  },
  {
    stage: 'sign',
    topic: topics.requestsValidated.bulk,
    reservedBefore: 2 * count,
    reservedAfter: count,
  },
] as const;

/** Deletes the records of a batch, with all that is before them, as soon as they are in a topic. */
async function loseRecords(topic: string, batchId: string): Promise<void> {
  const admin = openKafkaAdmin({
    brokers: fleet.config.kafka.brokers,
    clientId: aName('disaster'),
  });
  try {
    const places: string[] = [];
    await until(`the chunk of ${batchId} is in ${topic}`, async () => {
      await admin.readAll(topic, ({ headers, position }) => {
        if (headers['ce_subject'] === batchId) places.push(position);
      });
      return places.length > 0;
    });
    for (const place of places) await admin.deleteUpTo(topic, place);
  } finally {
    await admin.stop(0);
  }
}

function typeDrop(batchId: string) {
  const keyFile = fleet.file('admin.key');
  writeFileSync(keyFile, fleet.fleet.adminKey, { mode: 0o600 });
  const server = ['--server', fleet.fleet.url, '--key-file', keyFile];
  return runCertmill(['dead-letters', 'drop', batchId, '0', ...server]);
}

beforeAll(async () => {
  fleet = await TestFleet.start({ commandOf: (role) => [process.execPath, program, role] });
  const shipped = readFileSync(join(root, 'libs/domain/profiles/tls-client.yaml'), 'utf8');
  const own = shipped.replace(/^name: .*$/m, 'name: own-client');
  const added = await fleet.call('POST', '/v1/profiles', {
    headers: { 'content-type': 'application/yaml' },
    body: own,
  });
  expect(added.status).toBe(201);
  await fleet.openOrder('own', 'own-client');
  await fleet.openOrder('o1');
  await makeDead('sign');
  const poison = poisonFileOf(fleet.service('publish').configFile);
  writeFileSync(poison, '');
  await makeDead('publish');
  // The causes are gone, before anybody settles anything.
  rmSync(poison);
  const file = fleet.file('own-client.yaml');
  writeFileSync(file, own);
  await fleet.startRole('sign', { profiles: [file] });
});

afterAll(() => fleet.stop());

const stages = ['sign', 'publish'] as const;

describe.each(stages)('a dead letter made in %s', (stage) => {
  const batch = (at: number): DeadBatch => dead[stage][at]!;
  const allIssued = {
    state: 'complete',
    counters: { accepted: count, issued: count, rejected: 0, deadLettered: 0, inFlight: 0 },
  };

  it('is listed with its batch, and its record with those of all', async () => {
    const { batchId } = batch(0);
    const told = { chunk: 0, requests: count, state: 'dead', code: 'FAULT_PROCESSING', stage };
    expect(await lettersOf(batchId)).toMatchObject([told]);
    expect(await recordOf(batchId)).toMatchObject([
      { topic: topicOf[stage], code: 'FAULT_PROCESSING', owner: 'dead' },
    ]);
  });

  it('keeps its record until it is settled', async () => {
    const { batchId } = batch(0);
    const [record] = await recordOf(batchId);
    const args = ['--topic', record!.topic, '--up-to', record!.place];
    const told = await fleet.certmill('dlq', 'drop', ...args);
    expect([told.exitCode, told.stdout]).toEqual([1, '']);
    expect(told.stderr).toMatch(/^error CONFLICT: .* settle it first \(certmill dead-letters list/);
    expect(await recordOf(batchId)).toHaveLength(1);
  });

  it('is retried, and issued', async () => {
    const { batchId } = batch(0);
    expect(await settle(batchId, 'retry')).toEqual({ chunk: 0, outcome: 'retried' });
    expect(await fleet.settled(batchId)).toMatchObject(allIssued);
    expect(await lettersOf(batchId)).toEqual([]);
    expect(await settle(batchId, 'retry')).toEqual({ chunk: 0, outcome: 'ended' });
    expect(await recordOf(batchId)).toMatchObject([{ owner: 'ended' }]);
  });

  it('is retried by its record too, and counted as if its batch had been named', async () => {
    const { batchId } = batch(1);
    const [record] = await recordOf(batchId);
    const args = ['--topic', record!.topic, '--place', record!.place];
    const told = await fleet.certmill('dlq', 'retry', ...args);
    expect([told.exitCode, told.stdout]).toEqual([0, `${record!.place}: retried\n`]);
    expect(await fleet.settled(batchId)).toMatchObject(allIssued);
    const again = await fleet.certmill('dlq', 'retry', ...args);
    expect([again.exitCode, again.stdout]).toEqual([0, `${record!.place}: ended\n`]);
  });

  it('is dropped: its requests are rejected, and devices, keys and quota are free', async () => {
    const { batchId, lines } = batch(2);
    const before = await reservedUnder(orderOf[stage]);
    expect(await settle(batchId, 'drop')).toEqual({ chunk: 0, outcome: 'dropped' });
    expect(await settle(batchId, 'retry')).toEqual({ chunk: 0, outcome: 'ended' });
    expect(await fleet.settled(batchId)).toMatchObject({
      state: 'complete',
      counters: { accepted: count, issued: 0, rejected: count, deadLettered: 0, inFlight: 0 },
    });
    const rejections = await fleet.call('GET', `/v1/batches/${batchId}/rejections`);
    const codes = (await rejections.text())
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { code: string }).code);
    expect(codes).toEqual(Array(count).fill('PROCESSING_FAILED'));
    expect(await reservedUnder(orderOf[stage])).toBe(before - count);
    const again: BatchBody = await fleet.settled(
      await fleet.upload(orderOf[stage], `${stage} again`, lines),
    );
    expect(again).toMatchObject(allIssued);
    expect(await reservedUnder(orderOf[stage])).toBe(before);
  });

  it('can be removed once all are settled', async () => {
    const places = (await Promise.all(dead[stage].map(({ batchId }) => recordOf(batchId))))
      .flat()
      .map(({ place }) => place);
    const last = places.reduce((a, b) => (Number(a.slice(2)) > Number(b.slice(2)) ? a : b));
    const told = await fleet.certmill('dlq', 'drop', '--topic', topicOf[stage], '--up-to', last);
    expect([told.exitCode, told.stdout]).toEqual([0, '3 records are gone\n']);
    expect(await recordOf(batch(0).batchId)).toEqual([]);
  });
});

describe.each(lostFrom)('a chunk whose record is gone from the topic of $stage', (lost) => {
  const { stage, topic, reservedBefore, reservedAfter } = lost;
  const lines = ndjsonOf(csrsOf(count, `lost-${stage}`));
  const order = `lost-${stage}`;
  let batchId = '';

  beforeAll(async () => {
    await fleet.openOrder(order);
    await fleet.stopRole(stage);
    batchId = await fleet.upload(order, 'lost', lines);
    await loseRecords(topic, batchId);
    await fleet.startRole(stage);
  });

  const reconcile = async (...args: readonly string[]): Promise<string> => {
    const told = await fleet.certmill('fleet', 'reconcile', ...args);
    expect([told.exitCode, told.stderr]).toEqual([0, '']);
    return told.stdout;
  };
  const inFlight = { accepted: count, issued: 0, rejected: 0, deadLettered: 0, inFlight: count };
  const row = () => new RegExp(`^default +${batchId} +0 +${String(count)}$`, 'm');

  it('stays in flight by itself, while others of its order go by', async () => {
    const next = await fleet.upload(order, 'next', ndjsonOf(csrsOf(count, `next-${stage}`)));
    expect(await fleet.settled(next)).toMatchObject({ counters: { issued: count } });
    await fleet.drained();
    expect(await fleet.batch(batchId)).toMatchObject({ counters: inFlight });
  });

  it('is left alone where it is young, and only told of in a dry run', async () => {
    expect(await reconcile()).toBe('no chunk is stranded\n');
    const told = await reconcile('--older-than', '0', '--dry-run');
    expect(told).toMatch(row());
    expect(told).not.toContain('dead letters');
    expect(await lettersOf(batchId)).toEqual([]);
    expect(await fleet.batch(batchId)).toMatchObject({ counters: inFlight });
  });

  it('becomes a dead letter that cannot be retried', async () => {
    const told = await reconcile('--older-than', '0');
    expect(told).toMatch(row());
    expect(told).toContain("'certmill dead-letters drop' ends them");
    expect(await reconcile('--older-than', '0')).toBe('no chunk is stranded\n');
    expect(await lettersOf(batchId)).toMatchObject([
      { chunk: 0, requests: count, state: 'dead', code: 'FAULT_PROCESSING', stage },
    ]);
    expect(await fleet.batch(batchId)).toMatchObject({
      counters: { ...inFlight, deadLettered: count, inFlight: 0 },
    });
    expect(await settle(batchId, 'retry')).toMatchObject({ status: 409, code: 'CONFLICT' });
  });

  it('is ended by `certmill dead-letters drop`, and its devices may come again', async () => {
    expect(await reservedUnder(order)).toBe(reservedBefore);
    const told = await typeDrop(batchId);
    expect([told.exitCode, told.stderr]).toEqual([0, '']);
    expect(await fleet.settled(batchId)).toMatchObject({
      state: 'complete',
      counters: { ...inFlight, rejected: count, inFlight: 0 },
    });
    expect(await reservedUnder(order)).toBe(reservedAfter);
    const again = await fleet.settled(await fleet.upload(order, 'again', lines));
    expect(again).toMatchObject({ counters: { issued: count, rejected: 0, deadLettered: 0 } });
    expect(await reconcile('--older-than', '0')).toBe('no chunk is stranded\n');
  });
});

it('everything is accounted for in the end', async () => {
  await fleet.drained();
  expect(await fleet.verified()).toMatchObject({
    findings: [],
    inFlight: 0,
    certificates: (stages.length * 3 + lostFrom.length * 2) * count,
    rejections: (stages.length + lostFrom.length) * count,
  });
});
