import '../one-realm.js';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { causeOfDeadLetter } from '@certmill/adapter-kafka';
import { encodePublishedChunk, groups, topics } from '@certmill/events';
import type { DeliveredRecord } from '@certmill/ports';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import {
  forgeries,
  hopNameOf,
  hopOf,
  newerText,
  ofNewerMinor,
  sealedAgain,
  type Forgery,
} from './testing/forgeries.js';
import { Intruder, marker, stageTopics } from './testing/intruder.js';
import { TestFleet, until } from './testing/test-fleet.js';

const root = join(import.meta.dirname, '../../..');

let fleet: TestFleet;
let intruder: Intruder;
/** A batch of two chunks that has ended, and one of another order. */
let ended = '';
let other = '';
/** Of each topic: what the stage before made of a chunk of `ended`, or of a single enrolment. */
const genuine = new Map<string, DeliveredRecord>();

const requests = (count: number, name: string): string => ndjsonOf(csrsOf(count, name));

/** The counters of a batch of which everything was issued. */
const allIssued = (count: number) => ({
  state: 'complete',
  counters: { accepted: count, issued: count, rejected: 0, cancelled: 0, deadLettered: 0 },
});

const enrolment = (deviceId: string): Promise<Response> =>
  fleet.call('POST', '/v1/orders/o1/certificates', {
    headers: { 'content-type': 'application/pkcs10' },
    body: aCsr(deviceId),
  });

async function enrol(deviceId: string): Promise<void> {
  expect((await enrolment(deviceId)).status).toBe(201);
}

/** The alarms that stages have given since the fleet was made. */
const alarms = () =>
  (['validate', 'sign', 'publish'] as const).flatMap((stage) =>
    fleet.logOf(stage).filter((line) => line['alarm'] === true),
  );

async function certificatesOf(batchId: string): Promise<string> {
  return (await fleet.call('GET', `/v1/batches/${batchId}/certificates?format=pem`)).text();
}

beforeAll(async () => {
  const http = { enrollDeadlineMs: 60_000 };
  fleet = await TestFleet.start({ settings: { maxRequestsPerChunk: 256, http } });
  intruder = await Intruder.open(fleet.config.kafka.brokers);
  await fleet.call('POST', '/v1/tenants', { json: { tenant: 'acme' } });
  await fleet.openOrder('o1');
  await fleet.openOrder('o2');
  other = await fleet.upload('o2', 'other', requests(3, 'other'));
  ended = await fleet.upload('o1', 'ended', requests(300, 'ended'));
  await enrol('single');
  expect(await fleet.settled(ended)).toMatchObject(allIssued(300));
  expect(await fleet.settled(other)).toMatchObject(allIssued(3));
  for (const { topic, lane } of stageTopics) {
    if (lane === 'bulk') genuine.set(topic, await intruder.recordOf(topic, ended));
    else {
      await until(`the enrolment is in ${topic}`, () => intruder.seen(topic).length > 0);
      genuine.set(topic, intruder.seen(topic)[0]!);
    }
  }
});

afterAll(async () => {
  await intruder.stop();
  await fleet.stop();
});

interface Attack {
  readonly id: string;
  readonly forgery: Forgery;
  /** Whose record it was made of. */
  readonly from: string;
}

const attacks: readonly Attack[] = stageTopics.flatMap(({ topic, stage, lane }) =>
  forgeries.map((forgery) => ({
    id: `${forgery.name}, of a record for ${stage}, ${lane}`,
    forgery,
    from: topic,
  })),
);

describe('whoever has the credentials of the brokers', () => {
  const attacked = new Map<string, { topic: string; value: Uint8Array }>();
  const letters = new Map<string, DeliveredRecord>();
  let before: readonly number[] = [];
  let meanwhile = '';
  let certificates = '';

  const stagesSeen = ['validate', 'sign', 'publish'] as const;
  const counted = (): Promise<number[]> =>
    Promise.all(
      stagesSeen.flatMap((stage) => [
        fleet.metric(stage, `certmill_forged_records_total{stage="${stage}"}`),
        fleet.metric(
          stage,
          `certmill_faults_total{stage="${stage}",code="FAULT_EVENT_UNDECODABLE"}`,
        ),
        fleet.metric(stage, `certmill_faults_total{stage="${stage}",code="FAULT_PROCESSING"}`),
      ]),
    );

  beforeAll(async () => {
    certificates = await certificatesOf(ended);
    before = await counted();
    meanwhile = await fleet.upload('o1', 'meanwhile', requests(1_000, 'meanwhile'));
    for (const { id, forgery, from } of attacks) {
      const record = genuine.get(from)!;
      const others = {
        batchId: other,
        orderId: 'o2',
        tenant: 'acme',
        hop: hopOf(from, fleet.config),
      };
      const { topic = from, headers, value = record.value } = forgery.make(record, others);
      await intruder.write(topic, { headers: { ...headers, [marker]: id }, key: 'k', value });
      attacked.set(id, { topic, value });
    }
    await until('every forged record is a dead letter', async () => {
      for (const { topic, group } of stageTopics) {
        for (const letter of await intruder.deadLetters(topic, group)) {
          letters.set(letter.headers[marker] ?? '', letter);
        }
      }
      return letters.size >= attacks.length;
    });
  });

  it.each(attacks)('cannot have processed: $id', ({ id, forgery: { code, cause } }) => {
    const { topic, value } = attacked.get(id)!;
    const letter = letters.get(id)!;
    const { stage, group } = stageTopics.find((each) => each.topic === topic)!;
    const why = causeOfDeadLetter(letter);
    expect(why).toEqual({
      topic,
      group,
      position: expect.stringMatching(/^\d+:\d+$/) as string,
      code,
      cause: expect.stringMatching(cause) as string,
    });
    // As it was, for whoever looks into it.
    expect(Buffer.compare(letter.value, value)).toBe(0);
    const lines = fleet.logOf(stage).filter((line) => {
      return line['topic'] === topic && line['position'] === why.position;
    });
    const alarms = lines.filter((line) => line['alarm'] === true);
    expect(alarms).toHaveLength(code === 'FAULT_EVENT_FORGED' ? 1 : 0);
    if (code === 'FAULT_EVENT_FORGED') return;
    const dead = { msg: 'chunk is a dead letter: it waits for a person', code };
    expect(lines).toContainEqual(expect.objectContaining(dead));
  });

  it('is counted, each time, by the stage that refused', async () => {
    const now = await counted();
    const found = now.map((count, i) => count - before[i]!);
    const expected = stagesSeen.flatMap((stage) =>
      (['FAULT_EVENT_FORGED', 'FAULT_EVENT_UNDECODABLE', 'FAULT_PROCESSING'] as const).map(
        (code) =>
          attacks.filter(({ id, forgery }) => {
            const { topic } = attacked.get(id)!;
            const reader = stageTopics.find((each) => each.topic === topic);
            return forgery.code === code && reader?.stage === stage;
          }).length,
      ),
    );
    expect(found).toEqual(expected);
  });

  it('disturbs no batch, and genuine chunks go on meanwhile', async () => {
    expect(await fleet.settled(meanwhile)).toMatchObject(allIssued(1_000));
    expect(await fleet.settled(ended)).toMatchObject(allIssued(300));
    expect(await fleet.settled(other)).toMatchObject(allIssued(3));
    expect(await certificatesOf(ended)).toBe(certificates);
    await enrol('after the attack');
  });

  it('has no certificate of a genuine record that comes again after its chunk has ended', async () => {
    for (const [topic, record] of genuine) await intruder.write(topic, record);
    await fleet.drained();
    expect(await fleet.settled(ended)).toMatchObject(allIssued(300));
    expect(await certificatesOf(ended)).toBe(certificates);
  });
});

describe('a chunk in flight', () => {
  it('goes its way whatever is written in its name', async () => {
    await fleet.stopRole('sign');
    const batchId = await fleet.upload('o1', 'in-flight', requests(5, 'in-flight'));
    const validated = await intruder.recordOf(topics.requestsValidated.bulk, batchId);
    const received = await intruder.recordOf(topics.requestsReceived.bulk, batchId);
    const named = { ce_subject: batchId, ce_id: `${batchId}.0` };
    const seal = { certmill_seal: 'ab'.repeat(32) };
    for (const record of [received, validated, genuine.get(topics.certificatesIssued.bulk)!]) {
      const headers = { ...record.headers, ...named, ...seal, [marker]: 'in flight' };
      await intruder.write(record.topic, { ...record, headers });
    }
    await until('validate and publish have refused it', async () => {
      const refused = await Promise.all([
        intruder.deadLetters(topics.requestsReceived.bulk, groups.validate),
        intruder.deadLetters(topics.certificatesIssued.bulk, groups.publish),
      ]);
      return refused.every((each) => each.some(({ headers }) => headers[marker] === 'in flight'));
    });
    const { counters } = await fleet.batch(batchId);
    expect(counters).toMatchObject({ accepted: 5, inFlight: 5, deadLettered: 0 });
    await fleet.startRole('sign');
    expect(await fleet.settled(batchId)).toMatchObject(allIssued(5));
  });

  it('that was cancelled is not signed, however often its records come, and nobody alarms', async () => {
    const alarmsBefore = alarms();
    await fleet.stopRole('sign');
    const batchId = await fleet.upload('o1', 'cancelled', requests(5, 'cancelled'));
    const received = await intruder.recordOf(topics.requestsReceived.bulk, batchId);
    const validated = await intruder.recordOf(topics.requestsValidated.bulk, batchId);
    expect((await fleet.call('DELETE', `/v1/batches/${batchId}`)).status).toBe(202);
    await intruder.write(validated.topic, validated);
    await fleet.startRole('sign');
    const cancelled = {
      state: 'cancelled',
      counters: { accepted: 5, issued: 0, cancelled: 5, inFlight: 0, deadLettered: 0 },
    };
    expect(await fleet.settled(batchId)).toMatchObject(cancelled);
    for (const record of [received, validated]) await intruder.write(record.topic, record);
    await fleet.drained();
    expect(await fleet.batch(batchId)).toMatchObject(cancelled);
    expect(await certificatesOf(batchId)).toBe('');
    // What a delivery that is repeated brings is no attack, and looks the same.
    expect(alarms()).toEqual(alarmsBefore);
    for (const { topic, group } of stageTopics) {
      const letters = await intruder.deadLetters(topic, group);
      expect(letters.filter(({ headers }) => headers['ce_subject'] === batchId)).toEqual([]);
    }
  });
});

describe('a notice that somebody else writes', () => {
  const topic = topics.certificatesPublished;

  /** Whether each ingest has taken all that is in the topic. */
  const allHeard = async (): Promise<boolean> => {
    const ids = await intruder.admin.groupsInUse(`${groups.notify}.`);
    const listening = ids.map((id) => id.slice(0, -`.${topic}`.length));
    const states = await intruder.admin.describeLag([{ topic, groups: listening }]);
    return states.length > 0 && states.every(({ lag }) => lag === 0);
  };

  it('is believed by nobody: who waits answers with what is stored only', async () => {
    const received = topics.requestsReceived.interactive;
    const before = intruder.seen(received).length;
    const publish = fleet.service('publish');
    let isAnswered = false;
    publish.signal('SIGSTOP');
    const answering = enrolment('waits').finally(() => (isAnswered = true));
    try {
      await until('the enrolment waits', () => intruder.seen(received).length > before);
      const { ce_subject: batchId = '' } = intruder.seen(received).at(-1)!.headers;
      const genuine = { tenant: 'default', orderId: 'o1', batchId, chunkNumber: 0 };
      const notice = encodePublishedChunk(genuine);
      const forged = [
        notice,
        encodePublishedChunk({ ...genuine, tenant: 'acme' }),
        encodePublishedChunk({ ...genuine, orderId: 'o2', chunkNumber: 9_999 }),
        notice.subarray(0, notice.length >> 1),
        new Uint8Array(),
        Buffer.from('no notice at all'),
      ];
      for (const value of forged) await intruder.write(topic, { headers: {}, key: 'k', value });
      await until('ingest has heard all of it', allHeard);
      expect(isAnswered).toBe(false);
      expect(await fleet.batch(batchId)).toMatchObject({ counters: { issued: 0, inFlight: 1 } });
      expect(await fleet.service('ingest').readiness()).toMatchObject({ status: 'ready' });
    } finally {
      publish.signal('SIGCONT');
    }
    const answer = await answering;
    expect([answer.status, await answer.text()]).toEqual([
      201,
      expect.stringContaining('BEGIN CERTIFICATE') as string,
    ]);
    // The true ones behind it are heard.
    await enrol('after the notices');
  });
});

describe('a release that is newer by a minor', () => {
  it('is understood, and what it adds is passed on', async () => {
    const stages = ['validate', 'sign', 'publish'] as const;
    for (const stage of stages) await fleet.stopRole(stage);
    const batchId = await fleet.upload('o1', 'newer', requests(4, 'newer'));
    for (const stage of stages) {
      const { topic } = stageTopics.find((each) => each.stage === stage && each.lane === 'bulk')!;
      const made = await intruder.recordOf(topic, batchId);
      const value = ofNewerMinor(made.value);
      // Nothing but the newer record is there when the stage comes.
      await intruder.admin.deleteUpTo(topic, made.position);
      await intruder.write(topic, sealedAgain(made, hopOf(topic, fleet.config), value));
      await fleet.startRole(stage);
    }
    expect(await fleet.settled(batchId)).toMatchObject(allIssued(4));
    const issued = intruder
      .seen(topics.certificatesIssued.bulk)
      .filter(({ headers }) => headers['ce_subject'] === batchId);
    // What ingest of the newer release added is in what sign made, and in what it was given itself.
    expect(issued).toHaveLength(2);
    const times = (value: Uint8Array): number =>
      Buffer.from(value).toString('latin1').split(newerText).length - 1;
    expect(issued.map(({ value }) => times(value))).toEqual([1, 2]);
  });
});

describe('a profile that sign is not configured for', () => {
  it('gets no certificate, though everything else of the chunk is genuine; with it, a retry does', async () => {
    const shipped = await readFile(join(root, 'libs/domain/profiles/tls-client.yaml'), 'utf8');
    const text = shipped.replace(/^name: .*$/m, 'name: own-client');
    const file = fleet.file('own-client.yaml');
    writeFileSync(file, text);
    const added = await fleet.call('POST', '/v1/profiles', {
      headers: { 'content-type': 'application/yaml' },
      body: text,
    });
    expect(added.status).toBe(201);
    await fleet.openOrder('own', 'own-client');
    await fleet.startRole('sign', { profiles: [file] });
    const first = await fleet.upload('own', 'first', requests(3, 'own-first'));
    expect(await fleet.settled(first)).toMatchObject(allIssued(3));
    const known = await intruder.recordOf(topics.requestsValidated.bulk, first);

    await fleet.startRole('sign', { profiles: [] });
    await intruder.write(known.topic, known);
    const second = await fleet.upload('own', 'second', requests(3, 'own-second'));
    expect(await fleet.settled(second)).toMatchObject({
      counters: { accepted: 3, issued: 0, deadLettered: 3 },
    });
    const { position } = await intruder.recordOf(topics.requestsValidated.bulk, second);
    const letters = await intruder.deadLetters(topics.requestsValidated.bulk, groups.sign);
    expect(letters.map(causeOfDeadLetter).filter((why) => why.position === position)).toEqual([
      expect.objectContaining({
        code: 'FAULT_PROCESSING',
        cause: expect.stringMatching(/^sign is not configured for profile/) as string,
      }),
    ]);
    const stillFirst = await certificatesOf(first);
    expect(stillFirst.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);

    await fleet.startRole('sign', { profiles: [file] });
    const path = `/v1/batches/${second}/dead-letters/0/retry`;
    expect(await (await fleet.call('POST', path)).json()).toMatchObject({ outcome: 'retried' });
    expect(await fleet.settled(second)).toMatchObject(allIssued(3));
  });
});

describe('certmill dlq', () => {
  const topic = topics.requestsReceived.bulk;
  const dlq = async (...args: readonly string[]): Promise<string> => {
    const told = await fleet.certmill('dlq', ...args);
    expect([told.exitCode, told.stderr]).toEqual([0, '']);
    return told.stdout;
  };
  interface Listed {
    readonly records: readonly {
      readonly place: string;
      readonly topic: string;
      readonly code: string;
      readonly owner: string;
      readonly at: string;
    }[];
    readonly isCut: boolean;
  }
  const listed = async (...args: readonly string[]): Promise<Listed> =>
    JSON.parse(await dlq('list', '--json', ...args)) as Listed;

  it('lists what was refused, all of it or page by page', async () => {
    const all = await listed('--limit', '1000');
    const expected = await Promise.all(
      stageTopics.map((each) => intruder.deadLetters(each.topic, each.group)),
    );
    expect(all.isCut).toBe(false);
    expect(all.records).toHaveLength(expected.flat().length);
    expect(new Set(all.records.map((each) => each.topic))).toEqual(
      new Set(stageTopics.map((each) => each.topic)),
    );
    const mine = all.records.filter((each) => each.topic === topic);
    const page = await listed('--topic', topic, '--limit', '5');
    expect(page).toEqual({ records: mine.slice(0, 5), isCut: true });
    const next = await listed('--topic', topic, '--after', page.records[4]!.place);
    expect(next.records).toEqual(mine.slice(5, 105));
    expect(await dlq('list', '--topic', topic, '--limit', '1')).toMatch(
      new RegExp(
        `^topic +place +at +code +batch.*\\n${topic} +0:\\d+ +\\S+Z +FAULT_EVENT_\\w+ [^\\n]*\\nthere are more`,
      ),
    );
  });

  it('puts a record back, and the stage refuses it again', async () => {
    const { records } = await listed('--topic', topic, '--limit', '1000');
    const forged = records.find((each) => each.owner === 'none' && each.code.endsWith('FORGED'))!;
    expect(await dlq('retry', '--topic', topic, '--place', forged.place)).toBe(
      `${forged.place}: appended\n`,
    );
    await until('it is refused again', async () => {
      return (await intruder.deadLetters(topic, groups.validate)).length === records.length + 1;
    });
    const letters = await intruder.deadLetters(topic, groups.validate);
    const again = letters.at(-1)!;
    const first = letters.find((each) => each.position === forged.place)!;
    expect(again.headers[marker]).toBe(first.headers[marker]);
    expect(causeOfDeadLetter(again).code).toBe(forged.code);
    // What has ended stays so: nothing is appended.
    const over = records.find((each) => each.owner === 'ended')!;
    expect(await dlq('retry', '--topic', topic, '--place', over.place)).toBe(
      `${over.place}: ended\n`,
    );
  });

  it('removes what is of no use any more', async () => {
    const { records } = await listed('--topic', topic, '--limit', '1000');
    expect(await dlq('drop', '--topic', topic, '--up-to', records[2]!.place)).toBe(
      '3 records are gone\n',
    );
    expect((await listed('--topic', topic, '--limit', '1000')).records).toEqual(records.slice(3));
  });

  it.each([
    ['a place where nothing is', ['drop', '--topic', topic, '--up-to', '0:999999'], 'NOT_FOUND'],
    ['no place', ['retry', '--topic', topic, '--place', 'x'], 'NOT_FOUND'],
    ['another topic', ['list', '--topic', 'elsewhere'], 'INVALID_INPUT'],
    ['a place of no topic', ['list', '--after', '0:1'], 'INVALID_INPUT'],
  ])('refuses %s', async (_, args, code) => {
    const told = await fleet.certmill('dlq', ...args);
    expect([told.exitCode, told.stdout]).toEqual([1, '']);
    expect(told.stderr).toMatch(new RegExp(`^error ${code}: `));
  });
});

it('everything is accounted for in the end', async () => {
  await fleet.drained();
  const names = [...genuine.keys()].map(hopNameOf);
  expect(new Set(names)).toEqual(new Set(['received', 'validated', 'issued']));
  expect(await fleet.verified()).toMatchObject({
    findings: [],
    inFlight: 0,
    // ended, other, meanwhile, in flight, newer, twice own; four enrolments.
    certificates: 300 + 3 + 1_000 + 5 + 4 + 3 + 3 + 4,
  });
});
