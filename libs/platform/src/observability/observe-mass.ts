import type { MassObserver } from '@certmill/pipeline';
import type { Logger } from 'pino';
import { LineLimiter } from './line-limiter.js';

/** What keeps a mass operation from going on is logged, as often as a cause may be. */
export function observeMass(logger: Logger): MassObserver {
  const limiter = new LineLimiter();
  return (operation, fault) => {
    const passed = limiter.pass(fault.code);
    if (passed === undefined) return;
    const line = { code: fault.code, err: fault, operation, ...passed };
    logger.warn(line, 'mass operations cannot go on; they are tried again');
  };
}
