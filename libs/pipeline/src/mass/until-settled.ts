import { setTimeout as sleep } from 'node:timers/promises';
import type { MassOperation } from '@certmill/domain';
import { settleDecided, type SettlePorts } from './settle-decided.js';

/** Between looks at what somebody else sees to. */
const pauseMs = 50;

/** As `settleDecided`, or as whoever is at it does. */
export async function untilSettled(
  ports: SettlePorts,
  operation: MassOperation,
  isOwn: boolean,
): Promise<MassOperation> {
  const { tenant, operationId } = operation;
  let settled = await settleDecided(ports, operation, isOwn);
  while (settled === undefined) {
    await sleep(pauseMs);
    const stored = await ports.operations.getOperation(tenant, operationId);
    if (stored === undefined) return operation;
    settled = stored.decided === undefined ? stored : await settleDecided(ports, stored, false);
  }
  return settled;
}
