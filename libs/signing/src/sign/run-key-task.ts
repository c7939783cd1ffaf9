import { workerData } from 'node:worker_threads';
import type { SerialKey } from '@certmill/domain';
import { SharedLatch } from '../slots/shared-latch.js';
import type { SlotLatches } from '../slots/signing-slot.js';
import { BoundedCache } from '../worker-pool/bounded-cache.js';
import { packedReply } from '../worker-pool/packed-reply.js';
import { workerFaultOf } from '../worker-pool/worker-fault.js';
import type {
  IssuerOpening,
  KeyTaskKind,
  KeyTaskKinds,
  KeyTaskMessage,
  KeyTaskReply,
  OpenIssuerReply,
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

/** Open keys of a worker; the one unused for longest is closed. */
const maxSessions = 256;

const data = workerData as SlotWorkerData;
const serialKeys = new Map(data.serialKeys.map((key): [number, SerialKey] => [key.id, key]));
const latches = sharedLatches(data);
const sessions = new BoundedCache<SlotSession>(maxSessions, (session) => {
  session.close();
});

/** Opens an issuer's key, so that what is wrong with it is told before the first task. */
export async function openSession(issuer: IssuerOpening): Promise<OpenIssuerReply> {
  try {
    await sessionOf(issuer);
    return { kind: 'ready' };
  } catch (error) {
    return slotFaultOf(error, issuer);
  }
}

/** Before the thread is ended. */
export function closeSessions(): void {
  sessions.clear();
}

/**
 * The worker's export for a kind of task.
 * @param unknownFault tells people what failed where an error says nothing safe itself.
 */
export function keyTask<K extends KeyTaskKind>(
  handler: KeyTaskHandler<K>,
  unknownFault: string,
): (message: KeyTaskMessage<K>) => Promise<KeyTaskReply<K>> {
  return async ({ issuer, input, verifyAll }) => {
    try {
      const session = await sessionOf(issuer);
      const begunMs = performance.now();
      const { result, buffers } = handler({ session, serialKeys, verifyAll }, input);
      const usage = session.takeUsage((performance.now() - begunMs) / 1e3);
      return packedReply({ kind: 'done', result, usage }, buffers);
    } catch (error) {
      if (!(error instanceof SlotFailure)) {
        return workerFaultOf(error, 'FAULT_PROCESSING', unknownFault);
      }
      // What failed once is looked at anew, from the key on.
      sessions.delete(issuer.id);
      return slotFaultOf(error, issuer);
    }
  };
}

async function sessionOf(issuer: IssuerOpening): Promise<SlotSession> {
  const known = sessions.get(issuer.id);
  if (known !== undefined) return known;
  const session = await SlotSession.open(issuer, latches);
  sessions.set(issuer.id, session);
  return session;
}

function sharedLatches({ latches, latchOwner }: SlotWorkerData): SlotLatches {
  return Object.fromEntries(
    Object.entries(latches).map(([name, memory]) => [name, new SharedLatch(memory, latchOwner)]),
  );
}

function slotFaultOf(error: unknown, { slot }: IssuerOpening): SlotFault {
  const cause = error instanceof SlotFailure ? error.fault : error;
  return {
    ...workerFaultOf(cause, 'FAULT_HSM_LOST', `slot ${slot.name} cannot be used`),
    kind: 'slot-fault',
  };
}
