import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import type { Terminal } from '../terminal/terminal.js';
import type { IssuanceClient } from './issuance-client.js';
import type { MassOperationView } from './views.js';

/** Between looks at something that takes seconds or hours. */
export const lookAgainMs = 1_000;

/**
 * Follows a mass operation, with progress, until it is over, paused or has failed, or it is enough.
 * FAULT_STOPPING.
 */
export async function watchOperation(
  terminal: Terminal,
  client: IssuanceClient,
  name: string,
  isEnough: (operation: MassOperationView) => boolean = () => false,
): Promise<MassOperationView> {
  using progress = terminal.progress('looked at');
  for (;;) {
    const operation = await client.getOperation(name);
    const { requests: total, lookedAt: done, refused, rejected } = operation.counts;
    progress.update({ done, rejected: refused + rejected, total });
    if (operation.state !== 'running' || isEnough(operation)) return operation;
    await waitFor(terminal, lookAgainMs, 'stopped; the operation goes on');
  }
}

/** FAULT_STOPPING with the message where the command is told to stop. */
export async function waitFor(terminal: Terminal, ms: number, message: string): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: terminal.signal });
  } catch (cause) {
    throw new CertmillError('FAULT_STOPPING', message, { cause });
  }
}
