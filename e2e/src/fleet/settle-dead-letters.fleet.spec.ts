import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { topics } from '@certmill/events';
import { jest } from '@jest/globals';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { poisonFileOf } from './testing/poisoned-service.js';
import { TestFleet, type BatchBody } from './testing/test-fleet.js';

jest.setTimeout(240_000);

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

it('everything is accounted for in the end', async () => {
  await fleet.drained();
  expect(await fleet.verified()).toMatchObject({
    findings: [],
    inFlight: 0,
    certificates: stages.length * 3 * count,
    rejections: stages.length * count,
  });
});
