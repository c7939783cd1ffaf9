import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError, isCertmillError } from '@certmill/domain';

/** Who is told why something is waited for. */
export interface WaitLogger {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

const firstPauseMs = 200;
const maxPauseMs = 5_000;

/**
 * Tries again as long as the fault is one that waiting may cure (disposition `retry`). The reason is
 * logged when it changes and at least twice a minute. FAULT_STOPPING when the signal aborts.
 */
export async function untilItWorks<T>(
  what: string,
  attempt: () => Promise<T>,
  logger: WaitLogger,
  stopping: AbortSignal,
): Promise<T> {
  let pauseMs = firstPauseMs;
  let told: { readonly reason: string; readonly atMs: number } | undefined;
  for (;;) {
    if (stopping.aborted) throw new CertmillError('FAULT_STOPPING', `stopped waiting for ${what}`);
    try {
      const result = await attempt();
      if (told !== undefined) logger.info({ what }, `${what} is there`);
      return result;
    } catch (error) {
      if (!isCertmillError(error) || error.disposition !== 'retry') throw error;
      const atMs = performance.now();
      const reason = `${error.code}: ${error.message}`;
      if (told?.reason !== reason || atMs - told.atMs > 30_000) {
        logger.warn({ what, code: error.code, err: error }, `waiting for ${what}: ${reason}`);
        told = { reason, atMs };
      }
    }
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, maxPauseMs);
  }
}
