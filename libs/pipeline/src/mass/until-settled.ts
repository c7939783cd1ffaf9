import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError, stoppingFault, type MassOperation } from '@certmill/domain';
import type { MassCallPorts } from './mass-ports.js';
import { settleDecided, type SettlePorts } from './settle-decided.js';

/** Between looks at what somebody else sees to. */
const pauseMs = 50;
/** Whoever is at it is slow, or others take over again and again. */
const longestWaitMs = 30_000;

/**
 * As `settleDecided`, or as whoever is at it does. Faults: FAULT_OVERLOADED after half a minute, FAULT_STOPPING;
 * what was decided becomes so all the same.
 */
export async function untilSettled(
  ports: SettlePorts & Pick<MassCallPorts, 'stopping'>,
  operation: MassOperation,
  isOwn: boolean,
  longestMs = longestWaitMs,
): Promise<MassOperation> {
  const { tenant, operationId } = operation;
  const sinceMs = performance.now();
  let settled = await settleDecided(ports, operation, isOwn);
  while (settled === undefined) {
    if (performance.now() - sinceMs > longestMs) {
      throw new CertmillError('FAULT_OVERLOADED', `others are at operation '${operationId}' still`);
    }
    await sleep(pauseMs);
    if (ports.stopping?.aborted === true) {
      throw stoppingFault();
    }
    const stored = await ports.operations.getOperation(tenant, operationId);
    if (stored === undefined) return operation;
    settled = stored.decided === undefined ? stored : await settleDecided(ports, stored, false);
  }
  return settled;
}
