import type { createLogger } from './logger.js';
import type { TracingConfig } from './tracing-config.js';

export interface TracingOptions extends TracingConfig {
  /** Name of the service as traces show it. */
  readonly service: string;
  readonly logger: ReturnType<typeof createLogger>;
  /** Of finished spans that wait to be sent; more are lost. 2,048 where absent. */
  readonly maxQueue?: number;
  /** Longest time that a finished span waits for others to be sent with. 1,000 where absent. */
  readonly delayMs?: number;
}
