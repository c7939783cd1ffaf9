import type { K6Metric, K6Summary } from '../k6.js';

/** What k6 says of a run of two batches and two enrolments, or what the test has it say. */
export function aSummary(changes: Readonly<Record<string, K6Metric>> = {}): K6Summary {
  return {
    metrics: {
      iterations: { values: { count: 4 } },
      http_req_failed: { values: { rate: 0 }, thresholds: { 'rate==0': { ok: true } } },
      certmill_single_certificates: { values: { count: 2 } },
      certmill_batches_complete: { values: { count: 2 } },
      certmill_batch_certificates: { values: { count: 2_000 } },
      certmill_batch_ms: { values: { med: 1_500 } },
      certmill_batch_begin: { values: { min: 10_000 } },
      certmill_batch_end: { values: { max: 12_000 } },
      certmill_enrolment_ms: { values: { med: 5, 'p(95)': 9.06, 'p(99)': 12 } },
      ...changes,
    },
  };
}
