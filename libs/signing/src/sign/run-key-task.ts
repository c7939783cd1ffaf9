import { workerData } from 'node:worker_threads';
import type { SerialKey } from '@certmill/domain';
import { packedReply } from '../worker-pool/packed-reply.js';
import { workerFaultOf } from '../worker-pool/worker-fault.js';
import type {
  KeyTaskKind,
  KeyTaskKinds,
  KeyTaskMessage,
  KeyTaskReply,
  OpenSlotReply,
  SlotFault,
  SlotWorkerData,
} from './sign-messages.js';
import { SlotFailure, SlotSession } from './slot-session.js';

/** Worker side: what a handler has to work with. */
export interface KeyTaskContext {
  /** The issuer's key and certificate. */
  readonly session: SlotSession;
  /** By id. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
  /** Every signature is to be verified, whatever the key. */
  readonly verifyAll: boolean;
}

export interface KeyTaskOutput<K extends KeyTaskKind> {
  readonly result: KeyTaskKinds[K]['result'];
  /** Buffers of the result that move to the main thread instead of being copied. */
  readonly buffers: readonly ArrayBuffer[];
}

/** Throws SlotFailure where the slot failed; anything else is the task's own fault. */
export type KeyTaskHandler<K extends KeyTaskKind> = (
  context: KeyTaskContext,
  input: KeyTaskKinds[K]['input'],
) => KeyTaskOutput<K>;

const data = workerData as SlotWorkerData;
const serialKeys = new Map(data.serialKeys.map((key): [number, SerialKey] => [key.id, key]));
let opened: SlotSession | undefined;

/** Opens the key, so that what is wrong with it is told before the first task. */
export async function openSession(): Promise<OpenSlotReply> {
  try {
    opened ??= await SlotSession.open(data);
    return { kind: 'ready' };
  } catch (error) {
    return slotFaultOf(error);
  }
}

/** Before the thread is ended. */
export function closeSessions(): void {
  opened?.close();
  opened = undefined;
}

/**
 * The worker's export for a kind of task.
 * @param unknownFault tells people what failed where an error says nothing safe itself.
 */
export function keyTask<K extends KeyTaskKind>(
  handler: KeyTaskHandler<K>,
  unknownFault: string,
): (message: KeyTaskMessage<K>) => Promise<KeyTaskReply<K>> {
  return async ({ input, verifyAll }) => {
    try {
      const session = (opened ??= await SlotSession.open(data));
      const begunMs = performance.now();
      const { result, buffers } = handler({ session, serialKeys, verifyAll }, input);
      const usage = session.takeUsage((performance.now() - begunMs) / 1e3);
      return packedReply({ kind: 'done', result, usage }, buffers);
    } catch (error) {
      if (error instanceof SlotFailure) return slotFaultOf(error);
      return workerFaultOf(error, 'FAULT_PROCESSING', unknownFault);
    }
  };
}

function slotFaultOf(error: unknown): SlotFault {
  const cause = error instanceof SlotFailure ? error.fault : error;
  return {
    ...workerFaultOf(cause, 'FAULT_HSM_LOST', `slot ${data.slot.name} cannot be used`),
    kind: 'slot-fault',
  };
}
