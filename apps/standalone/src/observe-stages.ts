import { isCertmillError } from '@certmill/domain';
import type { StageObserver } from '@certmill/pipeline';
import type { createLogger, Metrics } from '@certmill/platform';

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
    halted(stage, error) {
      logger.fatal({ stage, err: error }, 'stage halted: a person must look');
    },
  };
}
