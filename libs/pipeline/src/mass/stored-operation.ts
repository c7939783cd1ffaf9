import { randomUUID } from 'node:crypto';
import type { ChunkOutcome, MassOperation } from '@certmill/domain';
import type { MassOperationStore } from '@certmill/ports';
import { without } from './without.js';

/** Another run is at work on the operation. */
export class Superseded extends Error {}

type Operations = Pick<MassOperationStore, 'getOperation' | 'saveOperation'>;

/**
 * An operation as one run of it has stored or found it. A run that hung while another one took over
 * stores nothing any more, whatever it was about to: it does not know what that one has done.
 */
export class StoredOperation {
  readonly #operations: Operations;
  readonly #writer = randomUUID();
  #current: MassOperation;

  constructor(operations: Operations, found: MassOperation) {
    this.#operations = operations;
    this.#current = found;
  }

  get current(): MassOperation {
    return this.#current;
  }

  /** Whether it was this run that changed it last. */
  get isOwn(): boolean {
    return this.#current.writer === this.#writer;
  }

  /**
   * Whoever paused or cancelled it meanwhile is right, and what was done stays counted.
   * Throws `Superseded` where another run has changed it.
   */
  async save(wanted: MassOperation, outcome?: ChunkOutcome): Promise<void> {
    const before = this.#current;
    const own = { writer: this.#writer, saveId: randomUUID() };
    let expected = before.version;
    let next: MassOperation = { ...wanted, ...own, version: expected + 1 };
    while (!(await this.#operations.saveOperation(next, expected, outcome))) {
      const stored = await this.#stored();
      if (stored.saveId === own.saveId) {
        // Our own save, whose answer was lost; somebody may have paused or cancelled it since.
        next = stored;
        break;
      }
      if (stored.writer !== before.writer) throw new Superseded();
      expected = stored.version;
      next = { ...controlledAs(wanted, stored), ...own, version: expected + 1 };
    }
    this.#current = next;
  }

  /** Throws `Superseded` where another run has changed it, or somebody has paused or cancelled it. */
  async assertOwn(): Promise<void> {
    const stored = await this.#stored();
    if (stored.writer !== this.#current.writer || !goesOn(stored)) throw new Superseded();
  }

  async #stored(): Promise<MassOperation> {
    const { tenant, operationId } = this.#current;
    const stored = await this.#operations.getOperation(tenant, operationId);
    if (stored === undefined) throw new Superseded();
    return stored;
  }
}

/** Whether it is worked on. */
export function goesOn({ state, decided }: MassOperation): boolean {
  return state === 'running' && decided === undefined;
}

/** What is wanted, in the state that somebody has brought it into, or is about to: then it comes to no other end. */
function controlledAs(wanted: MassOperation, stored: MassOperation): MassOperation {
  const { state, endedAtMs, decided, failure } = stored;
  if (goesOn(stored)) return { ...without(wanted, 'endedAtMs'), state };
  return {
    ...without(wanted, 'endedAtMs', 'decided', 'failure'),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(decided === undefined ? {} : { decided }),
    ...(failure === undefined ? {} : { failure }),
    state,
  };
}
