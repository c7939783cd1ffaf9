import { CertmillError, type Lane } from '@certmill/domain';
import type { CpuMeter, Stoppable } from '@certmill/ports';
import { LostChunks } from '../worker-pool/lost-chunks.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import type { KeyTask, KeyTaskDone, KeyTaskRunner } from './key-task.js';
import type { KeyTaskKind } from './sign-messages.js';
import type { SlotHealth, SlotPool } from './slot-pool.js';

/** Brings each task to the healthy slot of its issuer with the least in hand. */
export class SlotRouter implements KeyTaskRunner, Stoppable, CpuMeter {
  private readonly lanes: readonly Lane[];
  private readonly slotsByIssuer: ReadonlyMap<string, readonly SlotPool[]>;
  private readonly lostTasks = new LostChunks();

  /** @param lanes that the slots are open for. */
  constructor(lanes: readonly Lane[], slotsByIssuer: ReadonlyMap<string, readonly SlotPool[]>) {
    this.lanes = lanes;
    this.slotsByIssuer = slotsByIssuer;
  }

  async open(): Promise<CertmillError[]> {
    const opened = await Promise.all(this.allSlots().map((slot) => slot.open()));
    return opened.filter((fault) => fault !== undefined);
  }

  health(): readonly SlotHealth[] {
    return this.allSlots().map((slot) => slot.health);
  }

  async cpuMicroseconds(): Promise<number> {
    const slots = await Promise.all(this.allSlots().map((slot) => slot.cpuMicroseconds()));
    return slots.reduce((total, slot) => total + slot, 0);
  }

  async run<K extends KeyTaskKind>(issuer: string, task: KeyTask<K>): Promise<KeyTaskDone<K>> {
    const { lane } = task;
    if (!this.lanes.includes(lane)) {
      throw new CertmillError(
        'FAULT_PROCESSING',
        `the slots are open for other lanes than ${lane}`,
      );
    }
    const slots = this.slotsByIssuer.get(issuer);
    if (slots === undefined) {
      throw new CertmillError('FAULT_PROCESSING', `sign is not configured for issuer ${issuer}`);
    }
    const tried = new Set<SlotPool>();
    for (;;) {
      const slot = leastBusy(slots, lane, tried);
      if (slot === undefined) throw noSlotLeft(issuer, slots, lane, tried);
      tried.add(slot);
      const outcome = await slot.run(task);
      switch (outcome.kind) {
        case 'done':
          return { result: outcome.result, slot: slot.name };
        case 'fault':
          throw errorOfFault(outcome);
        case 'stopping':
          throw stopping();
        case 'slot-lost':
          if (outcome.workerDied && this.lostTasks.isPoison(task.identity)) {
            throw new CertmillError('FAULT_PROCESSING', 'workers die of this task');
          }
          break;
        case 'overloaded':
      }
    }
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.allSlots().map((slot) => slot.stop(timeoutMs)));
  }

  private allSlots(): SlotPool[] {
    return [...this.slotsByIssuer.values()].flat();
  }
}

function leastBusy(
  slots: readonly SlotPool[],
  lane: Lane,
  tried: ReadonlySet<SlotPool>,
): SlotPool | undefined {
  let best: SlotPool | undefined;
  for (const slot of slots) {
    if (!slot.isReady || slot.isFull(lane) || tried.has(slot)) continue;
    if (best === undefined || slot.outstanding(lane) < best.outstanding(lane)) best = slot;
  }
  return best;
}

function noSlotLeft(
  issuer: string,
  slots: readonly SlotPool[],
  lane: Lane,
  tried: ReadonlySet<SlotPool>,
): CertmillError {
  if (slots.some((slot) => slot.isReady && (slot.isFull(lane) || !tried.has(slot)))) {
    return new CertmillError('FAULT_OVERLOADED', `the queues of issuer ${issuer} are full`);
  }
  if (slots.every((slot) => slot.isStopped)) return stopping();
  const refusal = slots.every((slot) => slot.refusal !== undefined) && slots[0]?.refusal;
  if (refusal instanceof CertmillError) {
    // At start it ends the process; later it is one issuer's, and the others' chunks must go on.
    return refusal.disposition === 'halt'
      ? new CertmillError('FAULT_HSM_REFUSED', refusal.message, { cause: refusal })
      : refusal;
  }
  return new CertmillError('FAULT_HSM_LOST', `no slot of issuer ${issuer} can be used now`);
}

function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the signing pools are stopping');
}
