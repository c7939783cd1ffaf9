import type { DecidedState, MassOperation } from '@certmill/domain';
import { isToCome } from '../issuance-clock.js';
import { findTold, tellState } from './mass-audit.js';
import type { MassPorts } from './mass-ports.js';
import { closeTheOrder, shutTheOrder } from './operation-order.js';
import { without } from './without.js';

/** How long whoever decided, or took over, is let finish. */
export const lookAgainMs = 500;

export type SettlePorts = Pick<MassPorts, 'audit' | 'clock' | 'operations' | 'opening' | 'orders'>;

/**
 * Brings an operation into the state that was decided. What that state means is done first, then it is told,
 * for a change that nobody was told of would be worse than one that is told twice. Whoever decided it is let
 * finish; where they were killed, or a fault came between, whoever looks next takes over, and tells what is
 * not told. Resolves to the operation, or to undefined where somebody else is at it: look again.
 * @param isOwn whether the caller has just stored the decision.
 */
export async function settleDecided(
  ports: SettlePorts,
  found: MassOperation,
  isOwn: boolean,
): Promise<MassOperation | undefined> {
  const operation = isOwn ? found : await takenOver(ports, found);
  if (operation?.decided === undefined) return undefined;
  const { decided } = operation;
  const settled = settledAs(operation, decided);
  await settleOrder(ports, settled, decided);
  const told = isOwn ? undefined : await findTold(ports, settled, decided);
  const { sequence } = told ?? (await tellState(ports, await counted(ports, settled), decided));
  const { begunEntry = sequence } = operation;
  return stored(ports, { ...operation, begunEntry }, decided);
}

/** Undefined where it is too early, or somebody else was first. */
async function takenOver(
  { operations, clock }: SettlePorts,
  found: MassOperation,
): Promise<MassOperation | undefined> {
  const { decided, version } = found;
  if (decided === undefined) return undefined;
  const nowMs = clock.nowMs();
  const { takenAtMs: sinceMs = decided.atMs } = decided;
  // What a clock that was ahead has left is waited for by nobody.
  const isLeft = nowMs >= sinceMs + lookAgainMs || isToCome(sinceMs, nowMs);
  if (!isLeft) return undefined;
  const taken = { ...found, decided: { ...decided, takenAtMs: nowMs }, version: version + 1 };
  return (await operations.saveOperation(taken, version)) ? taken : undefined;
}

async function settleOrder(
  ports: SettlePorts,
  operation: MassOperation,
  { state, atMs }: DecidedState,
): Promise<void> {
  if (state === 'cancelled') await shutTheOrder(ports, operation, atMs);
  if (state === 'done' && operation.work.kind === 'reissue') {
    await closeTheOrder(ports, operation, atMs);
  }
}

/** With the counts of a step that has ended since. */
async function counted(
  { operations }: SettlePorts,
  operation: MassOperation,
): Promise<MassOperation> {
  const { tenant, operationId } = operation;
  const { counts } = (await operations.getOperation(tenant, operationId)) ?? operation;
  return { ...operation, counts };
}

/** With what the step in hand, whose run may only end now, has stored meanwhile. */
async function stored(
  { operations }: SettlePorts,
  operation: MassOperation,
  decided: DecidedState,
): Promise<MassOperation | undefined> {
  const { tenant, operationId, begunEntry } = operation;
  let current = operation;
  for (;;) {
    const told = begunEntry === undefined ? {} : { begunEntry };
    const version = current.version + 1;
    const settled = { ...settledAs(current, decided), ...told, version };
    if (await operations.saveOperation(settled, current.version)) return settled;
    const found = await operations.getOperation(tenant, operationId);
    if (found?.decided === undefined) return found;
    const { atMs, takenAtMs } = found.decided;
    if (atMs !== decided.atMs || takenAtMs !== decided.takenAtMs) return undefined;
    current = found;
  }
}

function settledAs(operation: MassOperation, { state, atMs }: DecidedState): MassOperation {
  const left = without(operation, 'decided', 'endedAtMs');
  return {
    ...(state === 'failed' ? left : without(left, 'failure')),
    ...(state === 'running' ? {} : { endedAtMs: atMs }),
    state,
  };
}
