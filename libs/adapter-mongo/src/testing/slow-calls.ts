import { setTimeout as pause } from 'node:timers/promises';
import type { AroundCall } from '../connection/driver-calls.js';

const longestMs = 12;

/**
 * A network on which some calls of the driver take longer, on the way there or back: what two
 * processes do at the same time comes in every order.
 */
export function slowCalls(seed: number): AroundCall {
  let state = seed + 1;
  const random = (): number => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
  return async (_, call) => {
    const luck = random();
    if (luck < 0.2) await pause(random() * longestMs);
    const result = await call();
    if (luck > 0.8) await pause(random() * longestMs);
    return result;
  };
}
