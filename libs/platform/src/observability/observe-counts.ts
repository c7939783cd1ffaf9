import type { CountObserver } from '@certmill/pipeline';
import type { Logger } from 'pino';
import { LineLimiter } from './line-limiter.js';
import type { Metrics } from './metrics.js';

/** Has the counts of what devices are to renew in the metrics, and their faults in the log. */
export function observeCounts(logger: Logger, metrics: Metrics): CountObserver {
  const limiter = new LineLimiter();
  return {
    counted: (counts) => metrics.devices.counted(counts),
    failed(fault) {
      const passed = limiter.pass(fault.code);
      if (passed === undefined) return;
      const line = { code: fault.code, err: fault, ...passed };
      logger.warn(line, 'what devices are to renew could not be counted; it is tried again');
    },
  };
}
