import { isCertmillError, rejectionCodeOf } from '@certmill/domain';
import type { StageObserver } from '@certmill/pipeline';
import type { createLogger } from './logger.js';
import type { Metrics } from './metrics.js';

/** Makes metrics and log lines of what the stages tell. */
export function observeStages(
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
): StageObserver {
  return {
    handled: (stage, _lane, seconds) => metrics.chunk(stage, seconds),
    faulted(stage, record, error) {
      const code = isCertmillError(error) ? error.code : 'UNKNOWN';
      metrics.fault(stage, code);
      const { ce_id: chunk, ce_subject: batch } = record.headers;
      logger.warn(
        { stage, code, chunk, batch, position: record.position, err: error },
        'chunk not done',
      );
    },
    published(codes) {
      const counts = new Map<number, number>();
      for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
      for (const [code, count] of counts) metrics.requests(rejectionCodeOf(code) ?? 'none', count);
    },
    halted(stage, error) {
      logger.fatal({ stage, err: error }, 'stage halted: a person must look');
    },
  };
}
