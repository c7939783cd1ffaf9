import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { approve, serializeQuorumPolicy, type Operation } from '@certmill/trust/approvals';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { TestFleet, until } from './testing/test-fleet.js';

const population = 1_500;
let fleet: TestFleet;

interface MassOperation {
  readonly state: string;
  readonly counts: Readonly<Record<'lookedAt' | 'changed' | 'unchanged', number>>;
}

beforeAll(async () => {
  const roles = ['ingest', 'validate', 'sign', 'publish', 'ingest'] as const;
  fleet = await TestFleet.start({
    plan: roles.map((role) => ({ role, lanes: ['bulk', 'interactive'] })),
  });
});
afterAll(() => fleet.stop());

async function shown(name = 'give-up'): Promise<MassOperation> {
  return (await (await fleet.call('GET', `/v1/operations/${name}`)).json()) as MassOperation;
}

test('a fleet goes on with a mass revocation whose ingest process was stopped, and revokes none twice', async () => {
  await fleet.openOrder('spring');
  const batch = await fleet.upload('spring', 'first', ndjsonOf(csrsOf(population)));
  await fleet.settled(batch);
  const json = {
    operationId: 'give-up',
    kind: 'revoke',
    selection: { orderId: 'spring' },
    reason: 'superseded',
    ratePerSecond: 500,
  };
  expect((await fleet.call('POST', '/v1/operations', { json })).status).toBe(202);
  let operation = await shown();
  await until('some are revoked', async () => {
    operation = await shown();
    return operation.counts.changed > 0;
  });
  expect(operation.counts.lookedAt).toBeLessThan(population);
  await fleet.startRole('ingest');
  await until('the operation is done', async () => {
    operation = await shown();
    return operation.state === 'done';
  });
  expect(operation.counts).toMatchObject({
    lookedAt: population,
    changed: population,
    unchanged: 0,
  });
});

test('two ingest processes that go on at once, one killed, with the store and Redis away, revoke each once', async () => {
  await fleet.openOrder('summer');
  const batch = await fleet.upload('summer', 'first', ndjsonOf(csrsOf(population, 'summer')));
  await fleet.settled(batch);
  const json = {
    operationId: 'together',
    kind: 'revoke',
    selection: { orderId: 'summer' },
    ratePerSecond: 250,
  };
  expect((await fleet.call('POST', '/v1/operations', { json })).status).toBe(202);
  await until('some are revoked', async () => (await shown('together')).counts.changed > 0);
  // Each time it is another job: whoever is free takes it, beside the one that runs.
  const resume = () => fleet.call('POST', '/v1/operations/together/resume');
  for (let times = 0; times < 4; times += 1) {
    const answers = await Promise.all([resume(), resume()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  }
  expect((await shown('together')).counts.lookedAt).toBeLessThan(population);
  await fleet.mongo.pause();
  await fleet.redis.kill();
  const [, second] = fleet.fleet.of('ingest');
  await second?.kill();
  await sleep(1_000);
  fleet.mongo.resume();
  await fleet.redis.start();
  let operation: MassOperation | undefined;
  await until('the operation is done', async () => {
    operation = await shown('together').catch(() => undefined);
    return operation?.state === 'done';
  });
  const counts = { lookedAt: population, changed: population, unchanged: 0 };
  expect(operation).toMatchObject({ counts });
  const trail = await (await fleet.call('GET', '/v1/audit?limit=1000')).text();
  expect([...trail.matchAll(/"mass-operation.ended"[^}]*"operation":"together"/gu)]).toHaveLength(
    1,
  );
});

test('an ingest process without redis refuses mass operations, with the reason', async () => {
  await fleet.startRole('ingest', { redis: undefined });
  const json = { operationId: 'more', kind: 'revoke', selection: { orderId: 'spring' } };
  const answer = await fleet.call('POST', '/v1/operations', { json });
  expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining('redis')]);
  expect((await fleet.call('GET', '/v1/operations/more')).status).toBe(404);
});

test('what was approved at one ingest process of a fleet is used up for those after it', async () => {
  const people = ['alice', 'bob'].map((name) => ({ name, ...generateKeyPairSync('ed25519') }));
  const approvers = people.map(({ name, publicKey }) => ({
    name,
    publicKey: String(publicKey.export({ format: 'pem', type: 'spki' })),
  }));
  const directory = await mkdtemp(join(tmpdir(), 'certmill-quorum-'));
  try {
    const quorumFile = join(directory, 'quorum.json');
    await writeFile(quorumFile, serializeQuorumPolicy({ threshold: 2, approvers }));
    await fleet.startRole('ingest', { quorumFile });
    const json = { orderId: 'spring', reason: 'superseded' };
    const refused = await fleet.call('POST', '/v1/revocations', { json });
    expect(refused.status).toBe(403);
    const { proposed } = (await refused.json()) as { proposed: { operation: Operation } };
    const nowMs = Date.now();
    const time = { nowMs, expiresMs: nowMs + 3_600_000 };
    const approvals = people.map(({ name, privateKey }) =>
      approve(proposed.operation, name, privateKey, time),
    );
    const call = { json: { ...json, approvals } };
    expect((await fleet.call('POST', '/v1/revocations', call)).status).toBe(200);
    await fleet.startRole('ingest', { quorumFile });
    const again = await fleet.call('POST', '/v1/revocations', call);
    expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('used up')]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
