import {
  runCrlGeneration,
  type CrlGeneration,
  type CrlGenerationOptions,
} from '@certmill/pipeline';
import type { createLogger } from './logger.js';
import type { Metrics } from './metrics.js';
import { observeCrls } from './observe-crls.js';

/** Makes CRLs until stopped, seen in log lines, in how old each CRL is and in how long a revocation waits for one. */
export async function runObservedCrlGeneration(
  options: Omit<CrlGenerationOptions, 'observer'>,
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
): Promise<CrlGeneration> {
  const generation = await runCrlGeneration({ ...options, observer: observeCrls(logger, metrics) });
  const nowMs = (): number => options.ports.clock.nowMs();
  metrics.crls.ages(() => generation.ages(), nowMs);
  metrics.revocations.waiting('crl', () => generation.waiting(), nowMs);
  return generation;
}
