import { createHash } from 'node:crypto';
import {
  rejectionCodeOf,
  type Batch,
  type ChunkRef,
  type Lane,
  type Order,
  type RejectionCode,
} from '@certmill/domain';
import { decodeVerdict, encodeVerdict } from '@certmill/events';
import type {
  AllowListStore,
  BatchStore,
  CertificateStore,
  ChunkRegistration,
  Decision,
  OrderStore,
  ProfileStore,
  TenantStore,
  TerminalChunk,
  VerdictStore,
} from '../stores.js';

/** All store ports over one place of storage. */
export type Stores = TenantStore &
  ProfileStore &
  OrderStore &
  AllowListStore &
  BatchStore &
  VerdictStore &
  CertificateStore;

/** Writers at once where a case is about who comes first. */
export const writers = 8;

/** Runs the action `writers` times at once. */
export function atOnce<T>(action: (writer: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: writers }, (_, writer) => action(writer)));
}

/**
 * A place where the writers of `atOnce` wait for each other: a bug that needs a race between a look and
 * a write then loses it every time.
 */
export function meetingPlace(): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let present = 0;
  return async () => {
    present += 1;
    if (present === writers) resolve(undefined);
    await promise;
  };
}

const epochMs = Date.UTC(2026, 0, 1);
export const hourMs = 3_600_000;
export const nowMs = epochMs + hourMs;
/** When certificates under test end, unless they are made to end otherwise. */
const notAfterMs = nowMs + 1_000 * hourMs;

export function anOrder(tenant: string, changes: Partial<Order> = {}): Order {
  return {
    tenant,
    orderId: 'order',
    profileName: 'idevid',
    profileHash: hex('profile'),
    issuer: 'factory',
    quota: 1_000,
    requiresAllowList: false,
    createdAtMs: epochMs,
    expiresAtMs: epochMs + 24 * hourMs,
    ...changes,
  };
}

export function aBatch(tenant: string, name: string, changes: Partial<Batch> = {}): Batch {
  return {
    tenant,
    batchId: hex(`${tenant}/${name}`).slice(0, 26),
    orderId: 'order',
    lane: 'bulk',
    idempotencyKey: name,
    createdAtMs: nowMs,
    nextIndex: 0,
    counters: { accepted: 0, issued: 0, rejected: 0, cancelled: 0, deadLettered: 0 },
    ...changes,
  };
}

export function hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function udidOf(key: string): Uint8Array {
  return createHash('sha256').update(key).digest();
}

/** A device and its key; the key is named after the device where it is not given. */
export type Device = string | { readonly device: string; readonly key: string };

/** A chunk of requests under test, with what each port wants to know of it. */
export interface ChunkUnderTest {
  readonly ref: ChunkRef;
  readonly registration: ChunkRegistration;
  readonly decision: Decision;
  terminal(changes?: Partial<TerminalChunk>): TerminalChunk;
}

export interface ChunkPlace {
  readonly chunkNumber?: number;
  readonly firstIndex?: number;
  readonly orderId?: string;
  readonly profileName?: string;
  readonly lane?: Lane;
  readonly receivedAtMs?: number;
}

export function aChunk(
  batch: Batch,
  devices: readonly Device[],
  place: ChunkPlace = {},
): ChunkUnderTest {
  const {
    chunkNumber = 0,
    firstIndex = 0,
    orderId = batch.orderId,
    profileName = 'idevid',
    receivedAtMs = nowMs,
  } = place;
  const { tenant, batchId } = batch;
  const ref = { tenant, batchId, chunkNumber };
  const deviceIds = devices.map((entry) => (typeof entry === 'string' ? entry : entry.device));
  const udids = Buffer.concat(
    devices.map((entry) => udidOf(typeof entry === 'string' ? `key of ${entry}` : entry.key)),
  );
  const codes = devices.map(() => 0);
  const details = devices.map(() => '');
  const draft = encodeVerdict({
    codes,
    details,
    deviceIds,
    udids,
    valuesPerRequest: 0,
    values: [],
  });
  return {
    ref,
    registration: {
      ...ref,
      firstIndex,
      count: devices.length,
      digest: udidOf(deviceIds.join()),
      receivedAtMs,
      signBeforeMs: receivedAtMs + hourMs,
      serialKeyId: 1,
    },
    decision: {
      chunk: ref,
      orderId,
      profileName,
      firstIndex,
      nowMs,
      receivedAtMs,
      draft,
      codes,
      udids,
      deviceIds,
    },
    terminal: (changes = {}) => ({
      chunk: ref,
      orderId,
      profileName,
      lane: batch.lane,
      firstIndex,
      segment: Buffer.from(`segment of ${deviceIds.join()}`),
      codes,
      udids,
      deviceIds,
      endedAs: 'rejected',
      released: [],
      notAfterMs,
      publishedAtMs: nowMs,
      receivedAtMs,
      ...changes,
    }),
  };
}

/** Makes tenant, order and batch, where they are not there yet. */
export async function open(stores: Stores, order: Order, batch: Batch): Promise<Batch> {
  await stores.createTenant(order.tenant, epochMs);
  await stores.createOrder(order);
  return stores.openBatch(batch);
}

/** Registers and confirms a chunk. */
export async function receive(stores: Stores, chunk: ChunkUnderTest): Promise<void> {
  await stores.registerChunk(chunk.registration);
  await stores.confirmChunk(chunk.ref);
}

export async function decideCodes(
  stores: Stores,
  chunk: ChunkUnderTest,
  changes: Partial<Decision> = {},
): Promise<readonly (RejectionCode | undefined)[]> {
  const verdict = await stores.decide({ ...chunk.decision, ...changes });
  return decodeVerdict(verdict).codes.map(rejectionCodeOf);
}

/** A chunk of these devices in a batch of its own, decided. */
export async function decideAlone(
  stores: Stores,
  tenant: string,
  batchName: string,
  devices: readonly Device[],
  place: ChunkPlace = {},
): Promise<{
  readonly chunk: ChunkUnderTest;
  readonly codes: readonly (RejectionCode | undefined)[];
}> {
  const batch = aBatch(tenant, batchName, { orderId: place.orderId ?? 'order' });
  await stores.openBatch(batch);
  const chunk = aChunk(batch, devices, place);
  await receive(stores, chunk);
  return { chunk, codes: await decideCodes(stores, chunk) };
}

/** As `decideAlone`, and all of them issued. */
export async function issueAlone(
  stores: Stores,
  tenant: string,
  batchName: string,
  devices: readonly Device[],
  place: ChunkPlace = {},
  changes: Partial<TerminalChunk> = {},
): Promise<ChunkUnderTest> {
  const { chunk } = await decideAlone(stores, tenant, batchName, devices, place);
  await stores.publish(chunk.terminal(changes));
  return chunk;
}
