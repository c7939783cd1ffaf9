import { copyFileSync } from 'node:fs';
import { causeOfDeadLetter } from '@certmill/adapter-kafka';
import { groups, topics } from '@certmill/events';
import { hopsOf, type FleetConfig } from '@certmill/fleet';
import type { FleetRole } from '@certmill/native';
import { csrsOf, ndjsonLineOf } from '../testing/a-csr.js';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { Intruder, stageTopics } from './testing/intruder.js';
import { TestFleet, until, type BatchBody } from './testing/test-fleet.js';

let fleet: TestFleet;
let intruder: Intruder;

beforeAll(async () => {
  // Small chunks: some of them are made at each step of a rotation.
  fleet = await TestFleet.start({ settings: { maxRequestsPerChunk: 256 } });
  intruder = await Intruder.open(fleet.config.kafka.brokers);
  await fleet.openOrder('o1');
});

afterAll(async () => {
  await intruder.stop();
  await fleet.stop();
});

const requests = 3_000;
const linesAtOnce = 50;
const encoder = new TextEncoder();

/** One upload that lasts as long as the test lets it, and is resumed wherever it breaks. */
class LongUpload {
  readonly #lines = csrsOf(requests, 'rotated').map(({ deviceId, csr }) =>
    ndjsonLineOf(deviceId, csr),
  );
  /** How many requests may be on their way by now. */
  allowance = 0;
  breaks = 0;
  readonly done: Promise<string>;

  constructor() {
    this.done = this.#upload();
    this.done.catch(() => undefined);
  }

  async #upload(): Promise<string> {
    for (let nextIndex = 0; ; this.breaks++) {
      const answer = await fleet
        .call('POST', `/v1/orders/o1/batches?firstIndex=${String(nextIndex)}`, {
          headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'rotated' },
          body: ReadableStream.from(this.#linesFrom(nextIndex)),
        })
        .catch(() => undefined);
      if (answer?.status === 202) return ((await answer.json()) as BatchBody).batchId;
      await until('ingest says where to go on', async () => {
        const path = '/v1/orders/o1/batches?idempotencyKey=rotated';
        const found = await fleet.call('GET', path).catch(() => undefined);
        if (found?.status !== 200) return false;
        const { items } = (await found.json()) as { items: readonly BatchBody[] };
        nextIndex = items[0]?.nextIndex ?? 0;
        return true;
      });
    }
  }

  async *#linesFrom(first: number): AsyncGenerator<Uint8Array> {
    for (let from = first; from < requests; from += linesAtOnce) {
      await until('more may be uploaded', () => this.allowance > from);
      yield encoder.encode(this.#lines.slice(from, from + linesAtOnce).join(''));
    }
  }
}

/** Two of each: no hop has both of its sides restarted at once, and each is half a step behind in turn. */
const halves: readonly (readonly FleetRole[])[] = [
  ['publish', 'validate'],
  ['sign', 'ingest'],
];

describe('the keys of the hops', () => {
  it('are rotated while a batch is uploaded: nothing is refused, nothing is lost', async () => {
    const before = hopFilesAt(fleet.config, 'before');
    const upload = new LongUpload();
    const steps = ['add', 'seal', 'drop'] as const;
    for (const [i, step] of steps.entries()) {
      const rotated = await runCertmill([
        ...['fleet', 'keys', '--out', fleet.file('keys'), '--rotate', step, '--json'],
        // Refused where anything is left that the old key has sealed.
        ...(step === 'drop' ? ['--config', fleet.fleet.configFile] : []),
      ]);
      expect([rotated.exitCode, rotated.stderr]).toEqual([0, '']);
      for (const [j, half] of (i === 1 ? halves.toReversed() : halves).entries()) {
        upload.allowance = Math.floor((requests * (i * 2 + j + 1)) / (steps.length * 2 + 1));
        await Promise.all(half.map((role) => fleet.startRole(role)));
      }
      // What the old key has sealed is gone before nobody opens it any more.
      if (step === 'seal') await fleet.drained();
    }
    upload.allowance = requests;
    expect(await fleet.settled(await upload.done)).toMatchObject({
      counters: { accepted: requests, issued: requests, rejected: 0, deadLettered: 0 },
    });
    for (const { topic, group } of stageTopics) {
      expect(await intruder.deadLetters(topic, group)).toEqual([]);
    }
    expect(upload.breaks).toBeGreaterThan(0);
    for (const role of halves.flat()) {
      expect(fleet.logOf(role).filter((line) => line['alarm'] === true)).toEqual([]);
    }
    // Each hop had both keys in use while the batch was on its way.
    for (const { topic, lane } of stageTopics) {
      if (lane === 'interactive') continue;
      const ids = new Set(intruder.seen(topic).map(({ headers }) => headers['certmill_sealkey']));
      expect(ids.size).toBe(2);
    }

    // A record that the dropped key has sealed, as good as it was before.
    for (const { topic, stage, group } of stageTopics.filter(({ lane }) => lane === 'bulk')) {
      const hop = { validate: 'received', sign: 'validated', publish: 'issued' } as const;
      const old = hopsOf([hop[stage]], before, { nowMs: () => Date.now() })[hop[stage]];
      const [record] = intruder.seen(topic);
      const now = hopsOf([hop[stage]], fleet.config, { nowMs: () => Date.now() })[hop[stage]];
      expect(() => now.open(record!)).toThrow(
        expect.objectContaining({ code: 'FAULT_EVENT_FORGED' }) as Error,
      );
      await intruder.write(...old.seal(old.open(record!), record!.value));
      await until(`${stage} has refused it`, async () => {
        return (await intruder.deadLetters(topic, group)).length === 1;
      });
      const [letter] = await intruder.deadLetters(topic, group);
      expect(causeOfDeadLetter(letter!)).toMatchObject({
        code: 'FAULT_EVENT_FORGED',
        cause: 'the record was refused: its key is not known here',
      });
    }
  });
});

/** The configuration with copies of the key files as they are now. */
function hopFilesAt(config: FleetConfig, name: string): FleetConfig {
  const hopKeys = Object.fromEntries(
    Object.entries(config.hopKeys).map(([hop, path = '']) => {
      const copy = fleet.file(`${name}-${hop}.json`);
      copyFileSync(path, copy);
      return [hop, copy];
    }),
  );
  return { ...config, hopKeys };
}

describe('a stage with a wrong key', () => {
  it('refuses genuine records; with the right one, dlq retry brings them back', async () => {
    const { hopKeys } = fleet.config;
    const wrong = await runCertmill(['fleet', 'keys', '--out', fleet.file('wrong'), '--json']);
    const { hopKeys: wrongKeys } = JSON.parse(wrong.stdout) as { hopKeys: typeof hopKeys };
    await fleet.startRole('sign', { hopKeys: { ...hopKeys, validated: wrongKeys.validated } });
    const lines = csrsOf(5, 'refused').map(({ deviceId, csr }) => ndjsonLineOf(deviceId, csr));
    const batchId = await fleet.upload('o1', 'refused', lines.join(''));
    const topic = topics.requestsValidated.bulk;
    const places = async (): Promise<string[]> =>
      (await intruder.deadLetters(topic, groups.sign))
        .filter(({ headers }) => headers['ce_subject'] === batchId)
        .map(({ position }) => position);
    await until('sign has refused it', async () => (await places()).length === 1);
    // Nobody knows whose it is: the chunk is on its way still.
    expect(await fleet.batch(batchId)).toMatchObject({
      counters: { accepted: 5, inFlight: 5, deadLettered: 0 },
    });
    const [place = ''] = await places();
    const listed = await fleet.certmill('dlq', 'list', '--topic', topic, '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject({
      records: expect.arrayContaining([
        expect.objectContaining({ place, code: 'FAULT_EVENT_FORGED', owner: 'in-flight' }),
      ]) as unknown,
    });
    const kept = await fleet.certmill('dlq', 'drop', '--topic', topic, '--up-to', place);
    expect(kept.exitCode).toBe(1);
    expect(kept.stderr).toMatch(/^error CONFLICT: .* has not ended: wait until it has, or retry/);

    await fleet.startRole('sign', { hopKeys });
    const retried = await fleet.certmill('dlq', 'retry', '--topic', topic, '--place', place);
    expect([retried.exitCode, retried.stdout]).toEqual([0, `${place}: appended\n`]);
    expect(await fleet.settled(batchId)).toMatchObject({
      state: 'complete',
      counters: { accepted: 5, issued: 5, deadLettered: 0 },
    });
    const dropped = await fleet.certmill('dlq', 'drop', '--topic', topic, '--up-to', place);
    expect([dropped.exitCode, dropped.stdout]).toEqual([0, '2 records are gone\n']);
  });
});

it('everything is accounted for in the end', async () => {
  await fleet.drained();
  expect(await fleet.verified()).toMatchObject({
    findings: [],
    inFlight: 0,
    certificates: requests + 5,
  });
});
