import { isCertmillError } from '@certmill/domain';
import type { Logger } from 'pino';
import type { StatusObserver } from '../status/reply-to-status-call.js';
import { LineLimiter } from './line-limiter.js';
import type { Metrics } from './metrics.js';

/** Answers are counted; faults are logged too, as often as a cause may be. */
export function observeStatus(logger: Logger, metrics: Metrics): StatusObserver {
  const limiter = new LineLimiter();
  return {
    answered: (kind) => metrics.status.answered(kind),
    fault(error) {
      const code = isCertmillError(error) ? error.code : 'FAULT_PROCESSING';
      metrics.status.fault(code);
      const passed = limiter.pass(code);
      if (passed === undefined) return;
      logger.warn({ code, err: error, ...passed }, 'the status of a certificate cannot be told');
    },
  };
}
