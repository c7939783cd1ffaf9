import type { Clock, OcspStore, Stoppable } from '@certmill/ports';
import { repeat } from '../repeat.js';

const removalEveryMs = 60_000;
const chunksAtOnce = 1_000;
/** Longer than any response lasts. */
const everMs = 10 * 365 * 86_400_000;

export interface RemovalPorts {
  readonly responses: Pick<OcspStore, 'listEndingResponses' | 'forgetResponses'>;
  readonly clock: Clock;
  /** As they are at the time. */
  readonly issuers: () => readonly string[];
  readonly onFault: (error: unknown) => void;
}

/**
 * Where nobody's responses are signed ahead any more: takes away those that were, now and each minute, for
 * a process that is not told yet may sign some. Needs no queue.
 */
export function startPresignedRemoval(ports: RemovalPorts): Stoppable {
  const stop = repeat(() => removePresigned(ports), removalEveryMs, ports.onFault);
  return { stop };
}

async function removePresigned({ responses, clock, issuers }: RemovalPorts): Promise<void> {
  const page = { issuers: issuers(), limit: chunksAtOnce };
  for (;;) {
    const found = await responses.listEndingResponses(clock.nowMs() + everMs, page);
    const last = found.at(-1);
    if (last === undefined) break;
    await responses.forgetResponses(last.nextUpdateMs + 1);
  }
  // Of issuers that are not here any more.
  await responses.forgetResponses(clock.nowMs());
}
