import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openKafkaLog } from '@certmill/adapter-kafka';
import { topics } from '@certmill/events';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
  type FleetRole,
} from '@certmill/native';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js';

const roles = ['ingest', 'validate', 'sign', 'publish'] as const;
const lanes = ['bulk', 'interactive'] as const;

let folder = '';
let receiver: OtlpReceiver;
let servers: { readonly kafka: KafkaCluster; stop(): Promise<void> };
let fleet: LocalFleet;

beforeAll(async () => {
  folder = await makeRunFolder();
  receiver = await anOtlpReceiver();
  // Of its own: a fleet takes the names of its topics and its database for itself.
  const [kafka, store, redis] = await Promise.all([
    KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: 1 }),
    MongoStandIn.start({ folder: join(folder, 'mongo') }),
    RedisServer.start({ folder: join(folder, 'redis') }),
  ]);
  servers = {
    kafka,
    async stop() {
      await Promise.all([kafka.stop(), store.stop(), redis.stop()]);
    },
  };
  fleet = await LocalFleet.start({
    folder: join(folder, 'fleet'),
    environment: {
      KAFKA_BROKERS: kafka.brokers.join(','),
      MONGODB_URI: store.uri,
      REDIS_URL: redis.url,
    },
    plan: roles.map((role) => ({ role, lanes })),
    settings: {
      tracing: { url: receiver.url, ratio: 1 },
      logLevel: 'debug',
      // Two chunks of 300 requests.
      maxRequestsPerChunk: 256,
    },
  });
});

afterAll(async () => {
  await fleet.stop();
  await servers.stop();
  await receiver[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** What `npm run check:infra` compares with docs/metrics.md is compared with a fleet here. */
const metricNames = (await import(
  new URL('../../../infra/checks/metric-names.mjs', import.meta.url).href
)) as {
  unansweredQueries(
    expositions: readonly string[],
    expected: Readonly<Record<string, string>>,
  ): readonly string[];
};

/** What a sound fleet has no series of: when it gets one. */
const onlyInTrouble: Readonly<Record<string, string>> = {
  certmill_store_faults_total: 'a call of the store fails',
  certmill_journal_conflicts_total: 'two processes of validate append to one shard',
  'certmill_faults_total{code="FAULT_CLOCK_BACKWARDS"}': 'a clock goes back',
  certmill_crl_failures_total: 'a CRL cannot be made',
  'certmill_publish_requests_total{code="ISSUER_UNAVAILABLE"}':
    'a request waits longer than its profile allows',
  'certmill_http_duration_seconds_count{status="5xx"}': 'ingest fails',
  certmill_sign_issuer_out: 'an issuer has no key that signs',
  'certmill_trust_not_after_seconds{kind="responder"}': 'a responder could not be renewed',
  'certmill_trust_not_after_seconds{kind="delegate"}': 'people have made a delegate of a CA',
  'certmill_trust_not_after_seconds{kind="ca_crl"}': 'a CRL of CA certificates is served',
  certmill_status_faults_total: 'an OCSP answer fails',
  certmill_devices_ending: 'a certificate ends within 30 days',
  certmill_revocation_waiting_seconds: 'a revocation waits for a CRL',
  // Not in trouble, but not in this fleet: issuers with status addresses, and the role status.
  certmill_crl_age_seconds: 'an issuer has status addresses',
  certmill_crl_missing: 'the same',
  certmill_crl_remaining_seconds: 'the same',
  certmill_status_answers_total: 'a process answers OCSP',
};

async function call(
  path: string,
  contentType: string,
  body: string | Buffer,
  idempotencyKey = contentType,
): Promise<Response> {
  return fetch(`${fleet.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${fleet.adminKey}`,
      'content-type': contentType,
      'idempotency-key': idempotencyKey,
    },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
}

async function metricsOf(role: FleetRole): Promise<string> {
  const [service] = fleet.of(role);
  return (await fetch(`${service?.operationsUrl ?? ''}/metrics`)).text();
}

/** The value of the one series with the labels, in any order; 0 where there is none. */
function sampleOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`${name}{`) && wanted.every((label) => one.includes(label)));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function untilMetric(
  role: FleetRole,
  name: string,
  labels: Readonly<Record<string, string>>,
  atLeast: number,
): Promise<void> {
  const deadline = performance.now() + 180_000;
  for (;;) {
    const text = await metricsOf(role);
    if (sampleOf(text, name, labels) >= atLeast) return;
    if (performance.now() > deadline) throw new Error(`${name} of ${role} stays too low:\n${text}`);
    await pause(50);
  }
}

async function linesOf(role: FleetRole): Promise<readonly Record<string, unknown>[]> {
  const text = await readFile(join(folder, 'fleet', `${role}.log`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a fleet', () => {
  it('shows the way of a chunk through four processes as one trace', async () => {
    const order = {
      orderId: 'o1',
      profile: 'tls-client',
      quota: 1_000,
      requiresAllowList: false,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    };
    const opened = await call('/v1/orders', 'application/json', JSON.stringify(order));
    expect(opened.status).toBe(201);
    const csrs = csrsOf(301);
    const [device] = csrs;
    const uploading = call(
      '/v1/orders/o1/batches',
      'application/x-ndjson',
      ndjsonOf(csrs.slice(1)),
    );
    const enrolling = call(
      '/v1/orders/o1/certificates?deviceId=dev-0',
      'application/pkcs10',
      device?.csr ?? Buffer.of(),
    );
    expect([(await uploading).status, (await enrolling).status]).toEqual([202, 201]);

    const spans = await receiver.until((received) => received.length >= 11);
    expect(spans).toHaveLength(11);
    const trees = ['certmill.ingest.upload', 'certmill.ingest.enroll'].map((name) => {
      const root = spans.find((span) => span.name === name);
      const inOrder = roles.slice(1).map((role) => {
        const ofRole = spans.filter(
          (span) => span.name === `certmill.${role}.chunk` && span.traceId === root?.traceId,
        );
        expect(new Set(ofRole.map(({ service }) => service))).toEqual(
          new Set([`certmill-${role}`]),
        );
        return ofRole;
      });
      inOrder.reduce(
        (parents, children) => {
          const parentIds = new Set(parents.map(({ spanId }) => spanId));
          for (const child of children) expect(parentIds).toContain(child.parentSpanId);
          return children;
        },
        root === undefined ? [] : [root],
      );
      return inOrder.map((ofRole) => ofRole.length);
    });
    expect(trees).toEqual([
      [2, 2, 2],
      [1, 1, 1],
    ]);
  });

  it('tells in metrics what each service did', async () => {
    const one = async (role: FleetRole, name: string, labels = {}): Promise<number> =>
      sampleOf(await metricsOf(role), `certmill_${name}`, labels);
    for (const [lane, requests] of [
      ['bulk', 300],
      ['interactive', 1],
    ] as const) {
      expect(await one('ingest', 'ingest_requests_total', { lane })).toBe(requests);
      const chunks = lane === 'bulk' ? 2 : 1;
      for (const stage of ['validate', 'sign', 'publish'] as const) {
        const labels = { stage, lane };
        await untilMetric(stage, 'certmill_chunk_duration_seconds_count', labels, chunks);
        expect(await one(stage, 'chunk_wait_seconds_count', labels)).toBe(
          await one(stage, 'chunk_duration_seconds_count', labels),
        );
        expect(await one(stage, 'forged_records_total', { stage })).toBe(0);
      }
      expect(await one('publish', 'publish_chunk_age_seconds_count', { lane })).toBe(chunks);
    }
    expect(await one('publish', 'publish_requests_total', { code: 'none' })).toBe(301);
    const slot = { slot: 'software' };
    expect(await one('sign', 'sign_slot_signatures_total', slot)).toBeGreaterThanOrEqual(301);
    expect(await one('sign', 'sign_slot_signature_duration_seconds_count', slot)).toBe(
      await one('sign', 'sign_slot_signatures_total', slot),
    );
    expect(await one('sign', 'sign_slot_ready', slot)).toBe(1);
    expect(
      await one('validate', 'store_call_duration_seconds_count', { call: 'decide' }),
    ).toBeGreaterThanOrEqual(3);
    const appended = { topic: topics.requestsValidated.bulk };
    expect(
      await one('validate', 'log_append_duration_seconds_count', appended),
    ).toBeGreaterThanOrEqual(2);
    const examination = { pool: 'examination', lane: 'bulk' };
    expect(await one('validate', 'pool_outstanding_chunks', examination)).toBe(0);
    for (const role of roles) {
      const text = await metricsOf(role);
      for (const need of ['kafka', 'mongodb']) {
        expect(text).toMatch(new RegExp(`^certmill_waiting\\{for="${need}"\\} 0$`, 'm'));
      }
      expect(text).toMatch(/^certmill_halted\{part="store"\} 0$/m);
      expect(text).toMatch(/^certmill_log_lag_chunks\{/m);
    }
    const ingest = await metricsOf('ingest');
    expect(ingest.match(/^certmill_log_lag_chunks\{/gm)).toHaveLength(6);
    expect(ingest).toMatch(/^certmill_devices_counted_at_seconds \d/m);
  });

  it('alarms once for each record that somebody else writes into a topic', async () => {
    const log = await openKafkaLog({
      brokers: servers.kafka.brokers,
      clientId: 'intruder',
      maxRecordBytes: 1_048_576,
    });
    try {
      for (let i = 0; i < 3; i++) {
        const headers = { ce_subject: 'ab'.repeat(13), certmill_chunk: String(i) };
        const value = Buffer.from('no chunk');
        await log.append(topics.requestsValidated.bulk, { headers, key: 'k', value });
      }
    } finally {
      await log.stop(5_000);
    }
    await untilMetric('sign', 'certmill_forged_records_total', { stage: 'sign' }, 3);
    const dead = { stage: 'sign', code: 'FAULT_EVENT_FORGED' };
    await untilMetric('sign', 'certmill_dead_letters_total', dead, 3);
    const alarms = (await linesOf('sign')).filter((line) => line['alarm'] === true);
    expect(
      alarms
        .map(({ level, service, stage, code, batch, chunk }) => [
          level,
          service,
          stage,
          code,
          batch,
          chunk,
        ])
        .sort(),
    ).toEqual(
      [0, 1, 2].map((chunk) => [
        50,
        'certmill-sign',
        'sign',
        'FAULT_EVENT_FORGED',
        'ab'.repeat(13),
        chunk,
      ]),
    );
  });

  it('tells all that dashboards, alerts and the scaling of sign ask for', async () => {
    // A device that has its certificate: rejected.
    const path = '/v1/orders/o1/certificates?deviceId=dev-0';
    const refused = await call(path, 'application/pkcs10', aCsr('dev-0'), 'once more');
    expect(refused.status).toBe(409);
    await untilMetric(
      'publish',
      'certmill_publish_requests_total',
      { code: 'DEVICE_ALREADY_ISSUED' },
      1,
    );
    const told = await Promise.all(roles.map(metricsOf));
    expect(metricNames.unansweredQueries(told, onlyInTrouble)).toEqual([]);
  });
});
