import type { Transferable } from 'node:worker_threads';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { MaintenanceGate } from './maintenance-gate.js';
import {
  closeCore,
  openCore,
  removeUnusedFiles,
  type CoreOptions,
  type StoreCore,
} from './open-core.js';
import { storeFault } from './store-fault.js';
import type { FaultData, FromStore, StoreReply, StoreRequest } from './store-messages.js';
import { storeOperations, writing, type StoreOperations } from './store-operations.js';

export interface StoreThreadOptions extends CoreOptions {
  /** Takes in what was sent since the thread last looked at its messages. */
  readonly receiveNow?: () => void;
}

export type Send = (message: FromStore, transfer?: readonly Transferable[]) => void;

/** Bulk calls of one transaction: more gain little and keep others waiting. */
const bulkCallsPerGroup = 8;
/** While urgent calls change the store, each waits for a bulk transaction under way: they are short then. */
const bulkCallsBesideUrgent = 2;
/** Where making a transaction durable takes longer than this, bulk calls go along with urgent ones. */
const slowCommitMs = 2;
/** How long an urgent change tells that more will come. */
const urgentForMs = 1_000;
/** Two bulk groups begin at least this far apart, so that the second has company. */
const lingerMs = 15;
/** What a transaction writes besides what is counted, roughly. */
const bytesPerGroup = 64 * 1024;
/** Written to the write-ahead log between two checkpoints: each stalls the thread for some ms. */
const bytesPerCheckpoint = 4 * 1024 * 1024;

/**
 * Runs the calls of one store in groups: those that came together share a transaction, and each is
 * answered after its COMMIT. A call that fails is undone alone; when the transaction fails, or its
 * end is not known, all of its calls fail and the store is opened anew from what is on disk.
 */
export class StoreThread {
  readonly #options: StoreThreadOptions;
  readonly #send: Send;
  readonly #gate = new MaintenanceGate();
  readonly #seenChanges = new Map<string, number>();
  #open: { readonly core: StoreCore; readonly operations: StoreOperations } | undefined;
  #urgent: StoreRequest[] = [];
  #bulk: StoreRequest[] = [];
  #isDraining = false;
  #isClosing = false;
  #nextBulkGroupAt = 0;
  #urgentUntil = 0;
  /** How long it takes to make a transaction durable, smoothed. */
  #commitMs = 0;
  #linger: NodeJS.Timeout | undefined;
  #bytesSinceCheckpoint = 0;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: StoreThreadOptions, send: Send) {
    this.#options = options;
    this.#send = send;
  }

  async start(): Promise<void> {
    const core = await this.#openAnew();
    removeUnusedFiles(core);
    core.massOperations.dropUnnamed();
  }

  receive(request: StoreRequest): void {
    (request.isUrgent ? this.#urgent : this.#bulk).push(request);
    if (request.isUrgent && isWriting(request)) this.#urgentUntil = performance.now() + urgentForMs;
    this.#wake();
  }

  /** Answers what it has, then lets go of files and threads. */
  async close(): Promise<void> {
    this.#isClosing = true;
    while (this.#isDraining || this.#urgent.length + this.#bulk.length > 0) {
      this.#wake();
      await turn();
    }
    await Promise.all(this.#underWay);
    await this.#shut();
  }

  async #openAnew(): Promise<StoreCore> {
    const core = await openCore({ ...this.#options, seenChanges: this.#seenChanges });
    this.#open = { core, operations: storeOperations(core, this.#gate) };
    return core;
  }

  #wake(): void {
    if (this.#isDraining) return;
    if (!this.#hasDueCalls()) {
      this.#lingerIfAnyWaits();
      return;
    }
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#isDraining = true;
    // After the messages that are here already: they make up the group.
    setImmediate(() => {
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#hasDueCalls()) {
      await this.#run(this.#urgent.length > 0 ? this.#urgentGroup() : this.#bulkGroup());
      await turn();
    }
    this.#isDraining = false;
    this.#lingerIfAnyWaits();
  }

  #hasDueCalls(): boolean {
    if (this.#urgent.length > 0) return true;
    return (
      this.#bulk.length >= this.#callsPerGroup() ||
      (this.#bulk.length > 0 && (this.#isClosing || performance.now() >= this.#nextBulkGroupAt))
    );
  }

  #lingerIfAnyWaits(): void {
    if (this.#linger !== undefined || this.#bulk.length === 0) return;
    this.#linger = setTimeout(
      () => {
        this.#linger = undefined;
        this.#wake();
      },
      Math.max(1, Math.ceil(this.#nextBulkGroupAt - performance.now())),
    );
  }

  #urgentGroup(): StoreRequest[] {
    const group = this.#urgent;
    this.#urgent = [];
    if (this.#commitMs < slowCommitMs || !group.some(isWriting)) return group;
    return [...group, ...this.#bulk.splice(0, bulkCallsBesideUrgent)];
  }

  #bulkGroup(): StoreRequest[] {
    this.#nextBulkGroupAt = performance.now() + lingerMs;
    return this.#bulk.splice(0, this.#callsPerGroup());
  }

  #callsPerGroup(): number {
    return performance.now() < this.#urgentUntil ? bulkCallsBesideUrgent : bulkCallsPerGroup;
  }

  async #run(group: readonly StoreRequest[]): Promise<void> {
    if (group.length === 0) return;
    try {
      if (this.#open === undefined) await this.#openAnew();
    } catch (error) {
      const fault = storeFault(error, 'open the store');
      this.#answer(group.map(({ id }) => ({ id, fault: faultData(fault) })));
      return;
    }
    const writes = group.filter(isWriting);
    if (writes.length > 0) this.#answer(await this.#transact(writes));
    const looks = group.filter((request) => !isWriting(request));
    const replies = looks.flatMap((request) => this.#look(request) ?? []);
    if (replies.length > 0) this.#answer(replies);
    this.#maintain();
  }

  /** Calls that change nothing see what is committed. Undefined where the reply comes later. */
  #look(request: StoreRequest): StoreReply | undefined {
    const { id } = request;
    try {
      const value = this.#invoke(request);
      if (!(value instanceof Promise)) return { id, value };
      const answered: Promise<void> = value
        .then(
          (late: unknown) => {
            this.#answer([{ id, value: late }]);
          },
          (error: unknown) => {
            this.#answer([{ id, fault: faultData(storeFault(error, request.call)) }]);
          },
        )
        .finally(() => this.#underWay.delete(answered));
      this.#underWay.add(answered);
      return undefined;
    } catch (error) {
      return { id, fault: faultData(storeFault(error, request.call)) };
    }
  }

  /**
   * One transaction. Urgent calls that come meanwhile cut it short and are part of it, so that they
   * wait for one COMMIT rather than two; bulk calls that it had no time for go back to their queue.
   */
  async #transact(group: readonly StoreRequest[]): Promise<StoreReply[]> {
    const { core } = this.#opened();
    const writes: StoreRequest[] = [];
    const waiting = [...group];
    const replies: StoreReply[] = [];
    try {
      core.db.exec('BEGIN IMMEDIATE');
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        writes.push(next);
        replies.push(this.#runInSavepoint(core, next));
        if (this.#hasUrgentCome()) {
          this.#bulk.unshift(...waiting.filter(({ isUrgent }) => !isUrgent));
          waiting.splice(0, waiting.length, ...waiting.filter(({ isUrgent }) => isUrgent));
          waiting.push(...this.#urgent.filter(isWriting));
          this.#urgent = this.#urgent.filter((request) => !isWriting(request));
        }
      }
      core.claimRuns.writeJournal();
      core.indexRuns.writeJournal();
      const begun = performance.now();
      core.segments.sync();
      this.#options.disk.commit(
        writes.map(({ call }) => call),
        () => {
          core.db.exec('COMMIT');
        },
      );
      this.#commitMs += (performance.now() - begun - this.#commitMs) / 8;
    } catch (error) {
      const fault = faultData(storeFault(error, 'commit'));
      // Whether a COMMIT that failed reached the disk is not known: what is there counts.
      await this.#shut();
      return [...writes, ...waiting].map(({ id }) => ({ id, fault }));
    }
    this.#bytesSinceCheckpoint +=
      bytesPerGroup + core.claimRuns.committed() + core.indexRuns.committed();
    return replies;
  }

  #hasUrgentCome(): boolean {
    this.#options.receiveNow?.();
    return this.#urgent.length > 0;
  }

  #runInSavepoint(core: StoreCore, request: StoreRequest): StoreReply {
    const claims = core.claimRuns.mark();
    const index = core.indexRuns.mark();
    const segments = core.segments.mark();
    core.db.exec('SAVEPOINT call');
    try {
      const value = this.#invoke(request);
      core.db.exec('RELEASE call');
      return { id: request.id, value };
    } catch (error) {
      this.#undoCall(core, error);
      core.claimRuns.rollback(claims);
      core.indexRuns.rollback(index);
      core.segments.cutBackTo(segments);
      core.batches.forgetKeys();
      return { id: request.id, fault: faultData(storeFault(error, request.call)) };
    }
  }

  /** Throws where SQLite gave up the whole transaction, as it may when it is full: all its calls fail. */
  #undoCall(core: StoreCore, cause: unknown): void {
    try {
      core.db.exec('ROLLBACK TO call; RELEASE call');
    } catch (error) {
      // Why it was given up, not that there is nothing left to undo.
      throw isCertmillError(cause) ? error : cause;
    }
  }

  #invoke({ call, args }: StoreRequest): unknown {
    const operations = this.#opened().operations as Record<
      string,
      (...given: readonly unknown[]) => unknown
    >;
    return operations[call]?.(...args);
  }

  #opened() {
    if (this.#open === undefined) {
      throw new CertmillError('FAULT_STORE_DOWN', 'the store is not open');
    }
    return this.#open;
  }

  /** Starts flushes and merges that are due, and moves the write-ahead log into the database. */
  #maintain(): void {
    const core = this.#open?.core;
    if (core === undefined) return;
    if (this.#bytesSinceCheckpoint > bytesPerCheckpoint) {
      this.#bytesSinceCheckpoint = 0;
      this.#report('move the log into the database', () => {
        core.db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      });
    }
    for (const journaled of [core.claimRuns, core.indexRuns]) {
      for (const started of journaled.startDue()) {
        void started.then(
          (change) => {
            if (change === undefined) return;
            this.#gate.whenOpen(() => {
              if (this.#open?.core !== core) return;
              this.#report('record a run', () => {
                journaled.adopt(change);
              });
            });
          },
          (error: unknown) => {
            if (this.#open?.core === core) this.#sendFault(error, 'write a run');
          },
        );
      }
    }
  }

  #report(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#sendFault(error, what);
    }
  }

  #sendFault(error: unknown, what: string): void {
    this.#send({ kind: 'fault', fault: faultData(storeFault(error, what)) });
  }

  async #shut(): Promise<void> {
    const core = this.#open?.core;
    this.#open = undefined;
    if (core === undefined) return;
    try {
      if (core.db.isTransaction) core.db.exec('ROLLBACK');
      await closeCore(core);
    } catch (error) {
      this.#sendFault(error, 'close the store');
    }
  }

  #answer(replies: readonly StoreReply[]): void {
    const transfer: Transferable[] = [];
    const sent = replies.map((reply) => {
      if (!('value' in reply) || !(reply.value instanceof Uint8Array)) return reply;
      const value = transferable(reply.value);
      transfer.push(value.buffer);
      return { id: reply.id, value };
    });
    this.#send({ kind: 'replies', replies: sent }, transfer);
  }
}

function isWriting({ call }: StoreRequest): boolean {
  return call in writing;
}

function faultData({ code, message }: CertmillError): FaultData {
  return { code, message };
}

/** The same octets, alone or nearly so in memory that can be given away. */
function transferable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && bytes.length * 2 > buffer.byteLength
    ? new Uint8Array(buffer, bytes.byteOffset, bytes.length)
    : new Uint8Array(bytes);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
