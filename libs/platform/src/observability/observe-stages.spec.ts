import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import { aLogger, levels } from './logged-lines.fixture.js';
import { Metrics } from './metrics.js';
import { observeStages } from './observe-stages.js';

const nowMs = Date.parse('2026-11-22T12:00:10Z');
const batch = 'ab'.repeat(13);

const aRecord = (headers: Record<string, string> = {}): DeliveredRecord => ({
  topic: 'requests',
  position: '3:17',
  key: '',
  value: Buffer.of(),
  headers: {
    certmill_tenant: 'acme',
    ce_subject: batch,
    certmill_chunk: '7',
    certmill_lane: 'bulk',
    ce_time: '2026-11-22T12:00:00Z',
    ...headers,
  },
});

const ids = { tenant: 'acme', batch, chunk: 7, lane: 'bulk' };
const forged = (): CertmillError => new CertmillError('FAULT_EVENT_FORGED', 'no seal');

function observed() {
  const { logger, lines } = aLogger();
  const metrics = new Metrics();
  const observer = observeStages(logger, metrics, { nowMs: () => nowMs });
  const sample = async (name: string): Promise<string[]> => {
    const text = await metrics.text();
    return text.split('\n').filter((line) => line.startsWith(`certmill_${name}`));
  };
  return { observer, lines, sample };
}

describe('what the stages tell', () => {
  it('comes to metrics: work, wait, age, and what was received', async () => {
    const { observer, sample } = observed();
    observer.received('interactive', 1);
    observer.received('bulk', 200);
    observer.handled('sign', 'bulk', 4, aRecord());
    observer.published([0, 0, 3], { lane: 'bulk', receivedAtMs: nowMs - 90_000 });
    expect(await sample('ingest_requests_total')).toEqual([
      'certmill_ingest_requests_total{lane="interactive"} 1',
      'certmill_ingest_requests_total{lane="bulk"} 200',
    ]);
    expect(await sample('chunk_duration_seconds_sum')).toEqual([
      'certmill_chunk_duration_seconds_sum{stage="sign",lane="bulk"} 4',
    ]);
    // Made 10 s ago, taken 4 s ago.
    expect(await sample('chunk_wait_seconds_sum')).toEqual([
      'certmill_chunk_wait_seconds_sum{stage="sign",lane="bulk"} 6',
    ]);
    expect(await sample('publish_chunk_age_seconds_sum')).toEqual([
      'certmill_publish_chunk_age_seconds_sum{lane="bulk"} 90',
    ]);
    expect(await sample('publish_requests_total{code="none"}')).toEqual([
      'certmill_publish_requests_total{code="none"} 2',
    ]);
  });

  it('is no wait where a record does not say when it was made, or was made by a clock ahead', async () => {
    const { observer, sample } = observed();
    observer.handled('sign', 'bulk', 1, aRecord({ ce_time: 'yesterday' }));
    expect(await sample('chunk_wait_seconds_count')).toEqual([]);
    observer.handled('sign', 'bulk', 1, aRecord({ ce_time: '2026-11-22T13:00:00Z' }));
    expect(await sample('chunk_wait_seconds_sum')).toEqual([
      'certmill_chunk_wait_seconds_sum{stage="sign",lane="bulk"} 0',
    ]);
  });

  it('is a warning where a chunk will be tried again, and no flood of them', async () => {
    const { observer, lines, sample } = observed();
    for (let i = 0; i < 100; i++) {
      observer.faulted('sign', aRecord(), new CertmillError('FAULT_HSM_LOST', 'away'));
    }
    expect(lines).toHaveLength(10);
    expect(lines[0]).toMatchObject({
      level: levels.warn,
      stage: 'sign',
      code: 'FAULT_HSM_LOST',
      topic: 'requests',
      position: '3:17',
      ...ids,
    });
    expect(await sample('faults_total')).toEqual([
      'certmill_faults_total{stage="sign",code="FAULT_HSM_LOST"} 100',
    ]);
  });

  it('is one alarm for each forged record, however many, through whatever stages', async () => {
    const { observer, lines, sample } = observed();
    for (let i = 0; i < 50; i++) {
      const error = forged();
      for (const stage of ['publish', 'sign', 'validate'] as const) {
        observer.faulted(stage, aRecord(), error);
      }
      observer.deadLettered('publish', aRecord(), error);
    }
    expect(lines).toHaveLength(50);
    for (const line of lines) {
      expect(line).toMatchObject({ level: levels.error, alarm: true, stage: 'publish', ...ids });
    }
    expect(await sample('forged_records_total')).toEqual([
      'certmill_forged_records_total{stage="publish"} 50',
    ]);
    expect(await sample('dead_letters_total')).toEqual([
      'certmill_dead_letters_total{stage="publish",code="FAULT_EVENT_FORGED"} 50',
    ]);
  });

  it('is an alarm where a verdict in the store is not ours, and its chunk waits for a person', async () => {
    const { observer, lines, sample } = observed();
    const error = new CertmillError('FAULT_VERDICT_FORGED', 'no seal');
    observer.faulted('validate', aRecord(), error);
    observer.deadLettered('validate', aRecord(), error);
    expect(lines).toEqual([
      expect.objectContaining({ level: levels.error, alarm: true, stage: 'validate', ...ids }),
      expect.objectContaining({ level: levels.error, stage: 'validate', ...ids }),
    ]);
    expect(await sample('forged_records_total')).toEqual([
      'certmill_forged_records_total{stage="validate"} 1',
    ]);
  });

  it('holds nothing of a forged record but ids that look like ids', () => {
    const { observer, lines } = observed();
    const junk = { certmill_tenant: 'x'.repeat(200), ce_subject: '<script>', certmill_lane: '-' };
    observer.faulted('sign', aRecord({ ...junk, certmill_chunk: '1e9' }), forged());
    const [line] = lines;
    for (const name of Object.keys(ids)) expect(line).not.toHaveProperty(name);
    expect(JSON.stringify(line)).not.toMatch(/x{20}|script|1e9/);
  });

  it('is an error for each dead letter, fatal for a halt, and for debugging where all is well', () => {
    const { observer, lines } = observed();
    for (let i = 0; i < 20; i++) {
      observer.deadLettered('sign', aRecord(), new CertmillError('FAULT_PROCESSING', 'poison'));
    }
    observer.halted('store', new CertmillError('FAULT_STORE_CORRUPT', 'broken'));
    observer.handled('sign', 'bulk', 1, aRecord());
    expect(lines.map(({ level }) => level)).toEqual([
      ...Array.from({ length: 20 }, () => levels.error),
      levels.fatal,
      levels.debug,
    ]);
    expect(lines.at(-1)).toMatchObject({ stage: 'sign', ...ids, seconds: 1 });
    expect(lines.at(-2)).toMatchObject({ stage: 'store', code: 'FAULT_STORE_CORRUPT' });
  });
});
