import assert from 'node:assert/strict';
import type { CertmillError } from '@certmill/domain';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { openBullmqQueue, type BullmqOptions } from './open-bullmq-queue.js';

/** The Redis of `npm run test:fleet`. */
export function redisUrl(): string {
  const url = process.env['REDIS_URL'];
  assert.ok(url !== undefined, 'REDIS_URL is not set: run `npm run test:fleet`');
  return url;
}

/** Opens the queue with a short retry and keys that no other run has. */
export function openForTest(changes: Partial<BullmqOptions> = {}): Promise<JobQueue & Stoppable> {
  return openBullmqQueue({
    prefix: `test-${process.pid}-${performance.now().toString(36).replace('.', '')}`,
    clock: { nowMs: () => Date.now() },
    random: () => 0.5,
    firstRetryMs: 100,
    onFault: () => undefined,
    ...('url' in changes ? {} : { url: redisUrl() }),
    ...changes,
  });
}

/** Polls until the condition holds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'nothing happened in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Keeps what was told, by its code. */
export function faultsOf(): { codes: string[]; onFault: (fault: CertmillError) => void } {
  const codes: string[] = [];
  return { codes, onFault: (fault) => codes.push(fault.code) };
}
