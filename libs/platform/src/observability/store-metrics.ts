import { isCertmillError } from '@certmill/domain';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { IssuanceStore } from '../http/issuance-store.js';
import { timed, type CallObserver } from './timed.js';

/** Every call of the store ports; a call that is missing here does not compile. */
const storeCalls = {
  createTenant: true,
  hasTenant: true,
  listTenants: true,
  addCredential: true,
  findCredential: true,
  listCredentials: true,
  removeCredential: true,
  addProfile: true,
  addProfileToAll: true,
  getProfile: true,
  findProfile: true,
  listProfiles: true,
  createOrder: true,
  getOrder: true,
  listOrders: true,
  closeOrder: true,
  reservedUnder: true,
  importAllowList: true,
  lookUp: true,
  storeEpoch: true,
  openBatch: true,
  getBatch: true,
  findTenant: true,
  listBatches: true,
  registerChunk: true,
  getRegistration: true,
  confirmChunk: true,
  completeUpload: true,
  cancelBatch: true,
  getVerdict: true,
  decide: true,
  publish: true,
  chunkState: true,
  markDeadLettered: true,
  retryDeadLetter: true,
  getDeadLetter: true,
  listDeadLetters: true,
  getSegment: true,
  findChunk: true,
  findByUdid: true,
  findByDevice: true,
  placesOf: true,
  claimsOf: true,
  getStatus: true,
  listStatuses: true,
  changeStatuses: true,
  countChanges: true,
  listRevoked: true,
  listChangedScopes: true,
  notePresigned: true,
  countPresigned: true,
  appendAudit: true,
  putFrozenPage: true,
  dropFrozen: true,
  addOperation: true,
  getOperation: true,
  frozenPage: true,
  listOperations: true,
  listRunning: true,
  saveOperation: true,
  listOutcomes: true,
  listAudit: true,
  lastIssuanceMs: true,
  putCrl: true,
  getCrl: true,
  describeCrl: true,
} as const satisfies Record<keyof IssuanceStore, true>;

/** The store as a process meets it. */
export class StoreMetrics {
  readonly #calls: Histogram<'call'>;
  readonly #faults: Counter<'code'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#calls = new Histogram({
      name: 'certmill_store_call_duration_seconds',
      help: 'Duration of the calls of the store by port method.',
      labelNames: ['call'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.#faults = new Counter({
      name: 'certmill_store_faults_total',
      help: 'Calls of the store that failed; refusals, such as conflicts, are no faults.',
      labelNames: ['code'],
      registers,
    });
  }

  /** The same store, the calls of its ports timed and their faults counted. */
  measured<S extends object>(store: S): S {
    const failed = (error: unknown): void => {
      if (!isCertmillError(error)) this.#faults.inc({ code: 'UNKNOWN' });
      else if (error.disposition !== 'refuse') this.#faults.inc({ code: error.code });
    };
    const observers: Partial<Record<string, CallObserver>> = {};
    for (const call of Object.keys(storeCalls)) {
      const calls = this.#calls.labels(call);
      observers[call] = { ended: (seconds) => calls.observe(seconds), failed };
    }
    return timed(store, observers);
  }
}
