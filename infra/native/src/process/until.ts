import { setTimeout as delay } from 'node:timers/promises';

const pauseMs = 50;

/** True as soon as `probe` says so, false after the deadline. A probe that throws says no. */
export async function until(
  probe: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      if (await probe()) return true;
    } catch {
      // Not yet.
    }
    if (performance.now() > deadline) return false;
    await delay(pauseMs);
  }
}
