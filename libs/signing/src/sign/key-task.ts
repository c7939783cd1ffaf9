import type { Lane } from '@certmill/domain';
import type { KeyTaskKind, KeyTaskKinds } from './sign-messages.js';

/** Main side: one thing to do with an issuer's key, in whatever slot can. */
export interface KeyTask<K extends KeyTaskKind> {
  readonly kind: K;
  readonly lane: Lane;
  /** The time that it may take, in time-outs of a chunk of the least size; at least 1. */
  readonly timeouts: number;
  /**
   * What goes to a worker. Called when one is free, and again for another slot where that one failed, so
   * the buffers that move MUST be new ones each time.
   */
  pack(): { readonly input: KeyTaskKinds[K]['input']; readonly transferList: ArrayBuffer[] };
  /** The same for the same work, so that one which workers die of is known again. */
  readonly identity: Uint8Array;
}

export interface KeyTaskDone<K extends KeyTaskKind> {
  readonly result: KeyTaskKinds[K]['result'];
  /** Name of the slot that did it. */
  readonly slot: string;
}

/** What runs tasks with the keys of issuers. */
export interface KeyTaskRunner {
  /**
   * Runs the task in the healthy slot of the issuer with the least in hand, and where that one fails
   * in the next. Faults: what the task itself says; FAULT_PROCESSING where workers die of it, and for
   * an issuer or a lane that is not configured; FAULT_HSM_LOST and FAULT_HSM_REFUSED where no slot is
   * left, FAULT_OVERLOADED, FAULT_STOPPING.
   */
  run<K extends KeyTaskKind>(issuer: string, task: KeyTask<K>): Promise<KeyTaskDone<K>>;
}
