import {
  frozenPageBatches,
  noMassCounts,
  rejectionNumber,
  type Batch,
  type ChunkOutcome,
  type MassOperation,
  type MassState,
} from '@certmill/domain';
import { decodeVerdict, encodeIssuedChunk, encodeReceivedChunk } from '@certmill/events';
import {
  aBatch,
  aChange,
  aChunk,
  anOrder,
  type RevocationStores,
} from '@certmill/ports/conformance';
import type { MassOperationStore } from '@certmill/ports';

export const tenants = ['acme', 'globex'] as const;
const batchNames = ['b0', 'b1', 'b2', 'b3', 'b4'];
const renewing = ['b3', 'b4'];
const chunksPerBatch = 10;
const devicesPerChunk = 3;
const devices = 14;
const unavailable = rejectionNumber('ISSUER_UNAVAILABLE');
const cancelled = rejectionNumber('BATCH_CANCELLED');

/** 0 to 1, the same each time. */
export function randomOf(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

export const deviceNames = Array.from({ length: devices }, (_, i) => `device-${String(i)}`);
/** Some keys are tried by several devices. */
export const keyNames = Array.from({ length: devices }, (_, i) => `key-${String(i)}`);

interface Chunk {
  readonly batch: Batch;
  readonly chunk: ReturnType<typeof aChunk>;
  readonly notAfterMs: number;
}

/** Some certificates end between the two, so that others take their devices. The first is the store cases'. */
const receivedAtMs = Date.UTC(2026, 0, 1, 1);
const endMs = receivedAtMs + 60_000;
export const lateMs = endMs + 1_000;

/**
 * A store's life: chunks of all batches are decided in any order, issued or given back right away or
 * later, certificates are revoked in between, so that devices and keys pass from one request to others.
 */
export async function liveThrough(
  store: RevocationStores & MassOperationStore,
  random: () => number,
): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const chunks: Chunk[] = [];
  for (const tenant of tenants) {
    await store.createTenant(tenant, 1);
    await store.createOrder(anOrder(tenant, { quota: 120 }));
    await store.createOrder(anOrder(tenant, { orderId: 'renewal', quota: 60, renews: true }));
    for (const name of batchNames) {
      const batch = aBatch(tenant, name, renewing.includes(name) ? { orderId: 'renewal' } : {});
      await store.openBatch(batch);
      for (let chunkNumber = 0; chunkNumber < chunksPerBatch; chunkNumber += 1) {
        const own = Array.from({ length: devicesPerChunk }, () => {
          const at = Math.floor(random() * devices);
          const isOwnKey = random() < 0.7;
          return {
            device: deviceNames[at] ?? '',
            key: isOwnKey ? (keyNames[at] ?? '') : pick(keyNames),
          };
        });
        const firstIndex = chunkNumber * devicesPerChunk;
        const chunk = aChunk(batch, own, {
          chunkNumber,
          firstIndex,
          receivedAtMs: random() < 0.4 ? lateMs : receivedAtMs,
        });
        await store.registerChunk(chunk.registration);
        await store.confirmChunk(chunk.ref);
        const notAfterMs = random() < 0.5 ? endMs : Date.UTC(2040, 0, 1);
        chunks.push({ batch, chunk, notAfterMs });
      }
      const total = chunksPerBatch * devicesPerChunk;
      await store.completeUpload(tenant, batch.batchId, total, 5);
    }
  }
  await addOperations(store, chunks);
  const undecided = [...chunks];
  const open: (() => Promise<void>)[] = [];
  while (undecided.length + open.length > 0) {
    if (open.length > 0 && (undecided.length === 0 || random() < 0.6)) {
      const [end] = open.splice(Math.floor(random() * open.length), 1);
      await end?.();
    } else {
      const [next] = undecided.splice(Math.floor(random() * undecided.length), 1);
      if (next === undefined) break;
      open.push(await decided(store, next, random));
    }
  }
}

const states: readonly MassState[] = ['running', 'paused', 'failed', 'done', 'cancelled'];

/** Operations in each state, some in the middle of a step, over the batches of their tenant. */
async function addOperations(store: MassOperationStore, chunks: readonly Chunk[]): Promise<void> {
  for (const tenant of tenants) {
    const batches = new Set(
      chunks.map(({ batch }) => batch).filter((one) => one.tenant === tenant),
    );
    const frozen = [...batches].map(({ batchId, orderId }, i) => ({
      batchId,
      orderId,
      nextIndex: i,
    }));
    for (const [i, state] of states.entries()) {
      const name = { tenant, operationId: `mass-${state}`, freezeId: `freeze-${state}` };
      await store.putFrozenPage(name, 0, frozen.slice(i));
      await store.putFrozenPage(name, 1, frozen.slice(0, i + 1));
      const operation: MassOperation = {
        ...name,
        selection: { issuer: 'factory' },
        work: { kind: 'reissue', issuer: 'other', profileName: 'idevid', expiresAtMs: 9 },
        frozenBatches: frozenPageBatches + i + 1,
        quota: 5,
        createdAtMs: 3,
        createdBy: 'olga',
        state,
        ...(state === 'running' ? {} : { endedAtMs: 7 }),
        cursor: {
          ...{ batch: i, chunkNumber: 1, targetIndex: 2, begunAtMs: 5 },
          rest: { sinceMs: 4, untilMs: 6 },
        },
        counts: { ...noMassCounts, requests: 30, submitted: i },
        version: i + 1,
      };
      await store.addOperation(operation);
      for (let chunkNumber = 0; chunkNumber < i; chunkNumber += 1) {
        const outcome: ChunkOutcome = {
          batch: i,
          chunkNumber,
          isPending: chunkNumber === 1,
          runs: [{ index: 0, count: i, outcome: 'submitted' }],
          uploaded: [{ batchId: 'target', index: 7, count: i }],
        };
        await store.saveOperation(operation, operation.version, outcome);
      }
    }
  }
}

/** What ends it. */
async function decided(
  store: RevocationStores,
  { batch, chunk, notAfterMs }: Chunk,
  random: () => number,
): Promise<() => Promise<void>> {
  const encoded = await store.decide(chunk.decision);
  const { codes } = decodeVerdict(encoded);
  return async () => {
    const isUnsigned = codes.includes(0) && random() < 0.35;
    const endedBy = isUnsigned ? (random() < 0.5 ? unavailable : cancelled) : 0;
    const { firstIndex } = chunk.decision;
    const released = codes.flatMap((code, i) => (isUnsigned && code === 0 ? [firstIndex + i] : []));
    await store.publish(
      chunk.terminal({
        segment: segmentOf(batch, chunk, encoded, endedBy, notAfterMs),
        notAfterMs,
        codes: codes.map((code) => (code === 0 ? endedBy : code)),
        released,
        endedAs: endedBy === cancelled ? 'cancelled' : 'rejected',
      }),
    );
    if (isUnsigned) return;
    for (const [i, code] of codes.entries()) {
      if (code !== 0 || random() > 0.4) continue;
      const reason = random() < 0.3 ? 'keyCompromise' : 'superseded';
      const change = { kind: 'revoke', reason, revokedAtMs: 7 } as const;
      await store.changeStatuses([aChange(chunk, firstIndex + i, change)]);
    }
  };
}

function segmentOf(
  batch: Batch,
  chunk: Chunk['chunk'],
  verdict: Uint8Array,
  endedBy: number,
  notAfterMs: number,
): Uint8Array {
  const { registration, decision } = chunk;
  const { codes } = decodeVerdict(verdict);
  const none = codes.map(() => 0);
  const noText = codes.map(() => '');
  const certificate = certificateUntil(notAfterMs);
  const isIssued = codes.map((code) => code === 0 && endedBy === 0);
  return encodeIssuedChunk({
    received: encodeReceivedChunk({
      ...registration,
      orderId: batch.orderId,
      lane: batch.lane,
      profileHash: anOrder(batch.tenant).profileHash,
      issuer: 'factory',
      requestsDer: new Uint8Array(),
      requestLengths: none,
      deviceIds: decision.deviceIds,
      sources: noText,
      rejections: none,
      rejectionDetails: noText,
    }),
    verdict,
    certificatesDer: Buffer.concat(isIssued.map((is) => (is ? certificate : Buffer.alloc(0)))),
    certificateLengths: isIssued.map((is) => (is ? certificate.length : 0)),
    endedBy,
    endedDetail: '',
  });
}

/** The smallest that can be read: of nobody, for an Ed25519 key of zeros, with an empty signature. */
function certificateUntil(notAfterMs: number): Buffer {
  // Nothing in it has 128 octets.
  const sequence = (...parts: readonly Buffer[]): Buffer => {
    const content = Buffer.concat(parts);
    return Buffer.concat([Buffer.from([0x30, content.length]), content]);
  };
  const utcTime = (ms: number): Buffer =>
    Buffer.from(`\x17\x0d${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`);
  const ed25519 = Buffer.from('300506032b6570', 'hex');
  const key = Buffer.concat([Buffer.from('032100', 'hex'), Buffer.alloc(32)]);
  const tbsCertificate = sequence(
    Buffer.from('020101', 'hex'),
    ed25519,
    sequence(),
    sequence(utcTime(receivedAtMs), utcTime(notAfterMs)),
    sequence(),
    sequence(ed25519, key),
  );
  return sequence(tbsCertificate, ed25519, Buffer.from('030100', 'hex'));
}
