import { Worker, type Transferable } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';
import type {
  FaultData,
  FromStore,
  StoreCall,
  StoreRequest,
  StoreThreadData,
  ToStore,
} from './store-messages.js';
import type { StoreOperations } from './store-operations.js';

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: CertmillError) => void;
}

export interface CallOptions {
  readonly isUrgent: boolean;
  readonly transfer?: readonly Transferable[];
}

const defaults: CallOptions = { isUrgent: true };

/** The store thread as seen from the others: a call each, answered when it is durable. */
export class StoreClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onFault: (fault: CertmillError) => void;
  readonly #exited: Promise<void>;
  #lastId = 0;
  #outbox: StoreRequest[] = [];
  #outboxTransfer: Transferable[] = [];
  #end: CertmillError | undefined;

  private constructor(worker: Worker, onFault: (fault: CertmillError) => void) {
    this.#worker = worker;
    this.#onFault = onFault;
    this.#exited = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#stopWith(new CertmillError('FAULT_STORE_DOWN', 'the store thread ended'));
        resolve();
      });
    });
    worker.on('error', (cause) => {
      const fault = new CertmillError('FAULT_STORE_DOWN', 'the store thread died', { cause });
      this.#stopWith(fault);
      onFault(fault);
    });
    worker.on('message', (message: FromStore) => {
      this.#receive(message);
    });
  }

  /** Starts the thread and waits until the store is open. Faults: those of `openCore`. */
  static async start(
    data: StoreThreadData,
    onFault: (fault: CertmillError) => void,
  ): Promise<StoreClient> {
    const worker = new Worker(new URL('./store.worker.js', import.meta.url), {
      workerData: data,
      // Its garbage is a chunk's columns, dead at once: a small young generation costs no CPU.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', (message: FromStore) => {
        worker.off('error', reject);
        if (message.kind === 'opened') resolve();
        else if (message.kind === 'not-opened') reject(faultOf(message.fault));
        else reject(new CertmillError('FAULT_STORE_DOWN', 'the store thread did not open'));
      });
    }).catch(async (error: unknown) => {
      await worker.terminate();
      throw error;
    });
    return new StoreClient(worker, onFault);
  }

  call<Name extends StoreCall>(
    call: Name,
    args: Parameters<StoreOperations[Name]>,
    { isUrgent, transfer = [] }: CallOptions = defaults,
  ): Promise<Awaited<ReturnType<StoreOperations[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      this.#lastId += 1;
      const id = this.#lastId;
      this.#enqueue({ id, call, args, isUrgent }, transfer);
      this.#waiting.set(id, { resolve, reject });
    });
  }

  async cpuMicroseconds(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage();
    return user + system;
  }

  /** Ends the thread after what it has in hand. Idempotent. */
  async close(): Promise<void> {
    if (this.#end === undefined) {
      this.#end = new CertmillError('FAULT_STOPPING', 'the store is closed');
      this.#flush();
      this.#post({ kind: 'close' });
    }
    await this.#exited;
  }

  #post(message: ToStore, transfer: readonly Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Calls of one turn of the event loop go as one message: a message costs more than most calls. */
  #enqueue(request: StoreRequest, transfer: readonly Transferable[]): void {
    if (this.#outbox.length === 0) {
      process.nextTick(() => {
        this.#flush();
      });
    }
    this.#outbox.push(request);
    this.#outboxTransfer.push(...transfer);
  }

  #flush(): void {
    const requests = this.#outbox;
    const transfer = this.#outboxTransfer;
    this.#outbox = [];
    this.#outboxTransfer = [];
    if (requests.length === 0) return;
    try {
      this.#post({ kind: 'requests', requests }, transfer);
    } catch (cause) {
      const fault = new CertmillError('FAULT_STORE_DOWN', 'a call cannot be sent', { cause });
      for (const { id } of requests) {
        this.#waiting.get(id)?.reject(fault);
        this.#waiting.delete(id);
      }
    }
  }

  #receive(message: FromStore): void {
    if (message.kind === 'fault') this.#onFault(faultOf(message.fault));
    if (message.kind !== 'replies') return;
    for (const reply of message.replies) {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('fault' in reply) waiting?.reject(faultOf(reply.fault));
      else waiting?.resolve(reply.value as never);
    }
  }

  #stopWith(fault: CertmillError): void {
    this.#end ??= fault;
    for (const { reject } of this.#waiting.values()) reject(fault);
    this.#waiting.clear();
  }
}

function faultOf({ code, message }: FaultData): CertmillError {
  return new CertmillError(code, message);
}
