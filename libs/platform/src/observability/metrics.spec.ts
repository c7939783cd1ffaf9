import { CertmillError } from '@certmill/domain';
import { silentLog } from './silent-log.fixture.js';
import { Metrics } from './metrics.js';
import type { SlotReading } from './slot-metrics.js';

const aSlot = (overrides: Partial<SlotReading> = {}): SlotReading => ({
  slot: 'hsm-1',
  state: 'ready',
  sessions: 2,
  failures: 1,
  usage: {
    signatures: 6,
    busySeconds: 0.5,
    latency: { sumSeconds: 0.012, counts: [1, 3, 2] },
  },
  ...overrides,
});

/** Sample lines without help, in order. */
async function samplesOf(metrics: Metrics, prefix: string): Promise<string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(prefix));
}

describe('the metrics of a service', () => {
  it('have the names, types and labels that dashboards and alarms are made of', async () => {
    const metrics = new Metrics();
    metrics.slots(
      () => [aSlot()],
      [0.001, 0.01],
      () => ['issuing'],
    );
    metrics.pool('examination', () => [{ lane: 'bulk', outstanding: 1, capacity: 4 }]);
    metrics.readiness(
      { halted: () => [], waitingFor: () => [] },
      { parts: ['sign'], needs: ['kafka'] },
    );
    metrics.log.watchLag({ lag: () => Promise.resolve(3) }, 't', 'g');
    await metrics.log.measured(silentLog).append('t', { headers: {}, key: '', value: Buffer.of() });
    await metrics.store.measured({ getOrder: () => Promise.resolve() }).getOrder();
    const failing = { publish: () => Promise.reject(new CertmillError('FAULT_STORE_DOWN', '')) };
    await metrics.store
      .measured(failing)
      .publish()
      .catch(() => undefined);
    metrics.journal.conflict(3);
    metrics.revocations.waiting(
      'ocsp',
      () => [{ issuer: 'devices', sinceMs: 1_000 }],
      () => 91_000,
    );
    metrics.crls.built('full', 1, 1);
    metrics.crls.failed('full', 'FAULT_HSM_LOST');
    metrics.status.fault('FAULT_HSM_LOST');
    metrics.trust.ends('issuer', () => 1_900_000_000_000);
    metrics.devices.counted({ countedAtMs: 1, byIssuer: new Map([['plant', { 7: 0, 30: 1 }]]) });
    metrics.journal.tail(3, 17);
    metrics.stages.requests('none', 1);
    metrics.stages.received('bulk', 1);
    metrics.stages.chunk('sign', 'bulk', 1);
    metrics.stages.wait('sign', 'bulk', 1);
    metrics.stages.age('bulk', 1);
    metrics.stages.fault('sign', 'FAULT_HSM_LOST');
    metrics.stages.deadLetter('sign', 'FAULT_PROCESSING');
    metrics.stages.forged('sign');
    metrics.http('GET', 200, 1);
    const text = await metrics.text();
    const types = [...text.matchAll(/^# TYPE (certmill_\w+) (\w+)$/gm)];
    const labels = (name: string): string[] => {
      const line = new RegExp(`^${name}(?:_count)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
      return [...line.matchAll(/(\w+)="/g)].map(([, label]) => label ?? '').sort();
    };
    expect(
      types.map(([, name, type]) => [name, type, ...labels(name ?? '')].join(' ')).sort(),
    ).toEqual([
      'certmill_chunk_duration_seconds histogram lane stage',
      'certmill_chunk_wait_seconds histogram lane stage',
      'certmill_crl_build_seconds histogram kind',
      'certmill_crl_entries_total counter kind',
      'certmill_crl_failures_total counter code kind',
      'certmill_dead_letters_total counter code stage',
      'certmill_devices_counted_at_seconds gauge',
      'certmill_devices_ending gauge days issuer',
      'certmill_faults_total counter code stage',
      'certmill_forged_records_total counter stage',
      'certmill_halted gauge part',
      'certmill_http_connections_refused_total counter',
      'certmill_http_duration_seconds histogram method status',
      'certmill_ingest_requests_total counter lane',
      'certmill_journal_conflicts_total counter shard',
      'certmill_journal_tail_entries gauge shard',
      'certmill_log_append_duration_seconds histogram topic',
      'certmill_log_appended_bytes_total counter topic',
      'certmill_log_lag_chunks gauge group topic',
      'certmill_pool_outstanding_chunks gauge lane pool',
      'certmill_pool_saturation_ratio gauge lane pool',
      'certmill_process_disk_written_bytes_total counter',
      'certmill_process_read_bytes_total counter',
      'certmill_process_written_bytes_total counter',
      'certmill_publish_chunk_age_seconds histogram lane',
      'certmill_publish_requests_total counter code',
      'certmill_revocation_waiting_seconds gauge in issuer',
      'certmill_sign_issuer_out gauge issuer',
      'certmill_sign_slot_busy_seconds_total counter slot',
      'certmill_sign_slot_failures_total counter slot',
      'certmill_sign_slot_ready gauge slot',
      'certmill_sign_slot_saturation_ratio gauge slot',
      'certmill_sign_slot_sessions gauge slot',
      'certmill_sign_slot_signature_duration_seconds histogram slot',
      'certmill_sign_slot_signatures_total counter slot',
      'certmill_status_answers_total counter answer',
      'certmill_status_faults_total counter code',
      'certmill_store_call_duration_seconds histogram call',
      'certmill_store_faults_total counter code',
      'certmill_trust_not_after_seconds gauge kind',
      'certmill_waiting gauge for',
    ]);
  });

  it('take slots as they are at the scrape, and signatures as they were counted in workers', async () => {
    const metrics = new Metrics();
    let slots = [aSlot(), aSlot({ slot: 'hsm-2', state: 'resting', sessions: 0 })];
    let issuersOut = ['issuing'];
    metrics.slots(
      () => slots,
      [0.001, 0.01],
      () => issuersOut,
    );
    const of = (slot: string): string => `slot="${slot}"`;
    expect(await samplesOf(metrics, 'certmill_sign_slot_ready')).toEqual([
      `certmill_sign_slot_ready{${of('hsm-1')}} 1`,
      `certmill_sign_slot_ready{${of('hsm-2')}} 0`,
    ]);
    expect(await samplesOf(metrics, 'certmill_sign_issuer_out')).toEqual([
      'certmill_sign_issuer_out{issuer="issuing"} 1',
    ]);
    issuersOut = [];
    expect(await samplesOf(metrics, 'certmill_sign_issuer_out')).toEqual([]);
    slots = [aSlot()];
    const lines = await samplesOf(metrics, 'certmill_sign_slot');
    expect(lines.filter((line) => line.includes('hsm-2'))).toEqual([]);
    expect(lines.filter((line) => /_total|_duration/.test(line))).toEqual([
      `certmill_sign_slot_signatures_total{${of('hsm-1')}} 6`,
      `certmill_sign_slot_failures_total{${of('hsm-1')}} 1`,
      `certmill_sign_slot_busy_seconds_total{${of('hsm-1')}} 0.5`,
      `certmill_sign_slot_signature_duration_seconds_bucket{${of('hsm-1')},le="0.001"} 1`,
      `certmill_sign_slot_signature_duration_seconds_bucket{${of('hsm-1')},le="0.01"} 4`,
      `certmill_sign_slot_signature_duration_seconds_bucket{${of('hsm-1')},le="+Inf"} 6`,
      `certmill_sign_slot_signature_duration_seconds_sum{${of('hsm-1')}} 0.012`,
      `certmill_sign_slot_signature_duration_seconds_count{${of('hsm-1')}} 6`,
    ]);
  });

  it('tell what devices are to renew as it was counted last, and nothing before', async () => {
    const metrics = new Metrics();
    expect(await samplesOf(metrics, 'certmill_devices_')).toEqual([]);
    const first = new Map([['plant', { 7: 1, 30: 3 }]]);
    metrics.devices.counted({ countedAtMs: 1_800_000_000_500, byIssuer: first });
    expect(await samplesOf(metrics, 'certmill_devices_')).toEqual([
      'certmill_devices_ending{issuer="plant",days="7"} 1',
      'certmill_devices_ending{issuer="plant",days="30"} 3',
      'certmill_devices_counted_at_seconds 1800000000.5',
    ]);
    metrics.devices.counted({ countedAtMs: 1_800_003_600_000, byIssuer: new Map() });
    expect(await samplesOf(metrics, 'certmill_devices_')).toEqual([
      'certmill_devices_counted_at_seconds 1800003600',
    ]);
  });

  it('tell the first end in seconds, as it is at the scrape, and nothing where nothing ends', async () => {
    const metrics = new Metrics();
    let endMs: number | undefined = 1_900_000_000_500;
    metrics.trust.ends('issuer', () => endMs);
    metrics.trust.ends('responder', () => undefined);
    metrics.trust.ends('ca_crl', () => 1_800_000_000_000);
    let looks = 0;
    metrics.trust.delegates({
      firstEndMs() {
        looks += 1;
        return Promise.resolve(1_850_000_000_000);
      },
    });
    expect(await samplesOf(metrics, 'certmill_trust_')).toEqual([
      'certmill_trust_not_after_seconds{kind="issuer"} 1900000000.5',
      'certmill_trust_not_after_seconds{kind="ca_crl"} 1800000000',
      'certmill_trust_not_after_seconds{kind="delegate"} 1850000000',
    ]);
    endMs = undefined;
    metrics.trust.ends('ca_crl', () => {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a CRL is damaged');
    });
    expect(await samplesOf(metrics, 'certmill_trust_')).toEqual([
      'certmill_trust_not_after_seconds{kind="delegate"} 1850000000',
    ]);
    expect(looks).toBe(1);
  });

  it('leave out what cannot be read, and show all the rest', async () => {
    const metrics = new Metrics();
    let isAway = false;
    const lag = (): Promise<number> =>
      isAway ? Promise.reject(new CertmillError('FAULT_BUS_DOWN', '')) : Promise.resolve(5);
    metrics.log.watchLag({ lag }, 'there', 'g');
    metrics.log.watchLag({ lag: () => Promise.reject(new Error('away')) }, 'away', 'g');
    metrics.gauge('certmill_some_lag_chunks', 'Some.', lag);
    expect(await samplesOf(metrics, 'certmill_log_lag_chunks')).toEqual([
      'certmill_log_lag_chunks{topic="there",group="g"} 5',
    ]);
    expect(await samplesOf(metrics, 'certmill_some')).toEqual(['certmill_some_lag_chunks 5']);
    isAway = true;
    expect(await samplesOf(metrics, 'certmill_some')).toEqual([]);
    isAway = false;
    expect(await samplesOf(metrics, 'certmill_some')).toEqual(['certmill_some_lag_chunks 5']);
  });

  it('show what halted and what is waited for, and a zero before that', async () => {
    const metrics = new Metrics();
    const halted: { stage: string; code: 'FAULT_KEY_MISMATCH' }[] = [];
    const waitingFor = ['start', 'kafka at one:9092, two:9092'];
    metrics.readiness(
      { halted: () => halted, waitingFor: () => waitingFor },
      { parts: ['sign', 'store'], needs: ['kafka', 'mongodb'] },
    );
    expect(await samplesOf(metrics, 'certmill_halted')).toEqual([
      'certmill_halted{part="sign"} 0',
      'certmill_halted{part="store"} 0',
    ]);
    expect(await samplesOf(metrics, 'certmill_waiting')).toEqual([
      'certmill_waiting{for="kafka"} 1',
      'certmill_waiting{for="mongodb"} 0',
    ]);
    halted.push({ stage: 'sign', code: 'FAULT_KEY_MISMATCH' });
    waitingFor.length = 0;
    expect(await samplesOf(metrics, 'certmill_halted')).toContain('certmill_halted{part="sign"} 1');
    expect(await samplesOf(metrics, 'certmill_waiting')).toContain(
      'certmill_waiting{for="kafka"} 0',
    );
  });

  it('count faults of the store, and no refusals', async () => {
    const metrics = new Metrics();
    const errors = [
      new CertmillError('CONFLICT', ''),
      new CertmillError('FAULT_STORE_DOWN', ''),
      new TypeError('a bug'),
    ];
    const store = metrics.store.measured({
      confirmChunk: () => Promise.reject(errors.shift() ?? new Error('none left')),
      cpuMicroseconds: () => Promise.reject(new CertmillError('FAULT_STOPPING', '')),
    });
    while (errors.length > 0) await store.confirmChunk().catch(() => undefined);
    await store.cpuMicroseconds().catch(() => undefined);
    expect(await samplesOf(metrics, 'certmill_store_faults_total')).toEqual([
      'certmill_store_faults_total{code="FAULT_STORE_DOWN"} 1',
      'certmill_store_faults_total{code="UNKNOWN"} 1',
    ]);
    expect(await samplesOf(metrics, 'certmill_store_call_duration_seconds_count')).toContain(
      'certmill_store_call_duration_seconds_count{call="confirmChunk"} 3',
    );
  });
});
