import type { Logger } from 'pino';
import type { Metrics } from '../observability/metrics.js';
import type { Traces } from '../observability/traces.js';
import type { HttpConfig } from './http-config.js';
import type { IssuanceServices } from './services.js';

/** What the HTTP face is made of. */
export interface HttpParts {
  readonly services: IssuanceServices;
  readonly config: HttpConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** None are made where absent. */
  readonly traces?: Traces;
}
