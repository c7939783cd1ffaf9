import { createHash, randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, type Batch, type Order } from '@certmill/domain';
import {
  openOrder,
  readDevices,
  readInputs,
  retryDeadLetter,
  segmentsOf,
  resultsOf,
  uploadBatch,
  waitForBatch,
  type Result,
} from '@certmill/pipeline';
import type { Issuance } from '@certmill/standalone';

const orderLifeMs = 7 * 86_400_000;
const unboundedQuota = 0xff_ffff;

export interface IssueRequest {
  readonly inputs: readonly string[];
  readonly profileName: string;
  readonly issuer?: string;
  readonly devicesFile?: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/**
 * Issues for files without a server: the same pipeline, an order of its own, of the tenant whose admins a server
 * in the folder begins with: they find and revoke what was issued here. The same inputs (paths,
 * sizes, times) with the same profile, issuer and allow-list find the same batch, so an interrupted
 * run is taken up where it was and issues nothing twice; its dead letters are tried once more.
 */
export async function issueBatch(
  issuance: Issuance,
  request: IssueRequest,
  onProgress: (batch: Batch) => void,
): Promise<Batch> {
  const { services } = issuance;
  const { operatorTenant: tenant } = services;
  await services.openTenant(tenant);
  const identity = await identityOf(request);
  const order = await orderFor(issuance, request, `issue-${identity.slice(0, 32)}`);
  const profile = await services.profiles.get(tenant, order.profileHash);
  if (profile === undefined)
    throw new CertmillError('PROFILE_INVALID', 'the profile is not stored');
  const items = readInputs(request.inputs, {
    stdin: request.stdin,
    workingDirectory: process.cwd(),
  });
  const upload = { order, profile, lane: 'bulk', idempotencyKey: identity, firstIndex: 0 } as const;
  const uploaded = await uploadBatch(services.ingest, upload, stoppable(items, request.signal));
  await retryDeadLetters(issuance, uploaded);
  const watching = watch(issuance, uploaded, onProgress);
  try {
    const ended = await Promise.race([
      waitForBatch(services.results, tenant, uploaded.batchId, request.signal),
      issuance.failed,
    ]);
    if (ended === undefined) throw new CertmillError('FAULT_STORE_CORRUPT', 'the batch is gone');
    if (request.signal.aborted)
      throw new CertmillError('FAULT_STOPPING', 'stopped; run the same command again to go on');
    onProgress(ended);
    return ended;
  } finally {
    clearInterval(watching);
  }
}

/** The results of an ended batch in order. */
export async function* resultsOfBatch(
  issuance: Issuance,
  batch: Batch,
): AsyncGenerator<readonly Result[]> {
  const segments = segmentsOf(issuance.services.results, batch.tenant, batch.batchId, {
    follow: false,
  });
  for await (const { segment } of segments) yield resultsOf(segment);
}

/** Why requests of an ended batch have no outcome; undefined where all have one. */
export async function deadLettersOf(
  { services }: Issuance,
  { tenant, batchId, counters: { deadLettered } }: Batch,
): Promise<CertmillError | undefined> {
  if (deadLettered === 0) return undefined;
  const { stores } = services.deadLetters;
  const [letter] = (await stores.listDeadLetters(tenant, batchId, { limit: 1 })).items;
  const cause =
    letter === undefined ? '' : ` (${letter.code} in ${letter.stage}: ${letter.detail})`;
  return new CertmillError(
    'FAULT_PROCESSING',
    `${String(deadLettered)} requests could not be processed${cause}; the same command tries them once more`,
  );
}

async function retryDeadLetters({ services }: Issuance, batch: Batch): Promise<void> {
  const { tenant, batchId } = batch;
  const { deadLetters } = services;
  let cursor: string | undefined;
  do {
    const page = { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) };
    const { items, next } = await deadLetters.stores.listDeadLetters(tenant, batchId, page);
    for (const { chunk } of items) await retryDeadLetter(deadLetters, chunk);
    cursor = next;
  } while (cursor !== undefined);
}

const watchMs = 200;

function watch(
  issuance: Issuance,
  batch: Batch,
  onProgress: (batch: Batch) => void,
): NodeJS.Timeout {
  const { batches } = issuance.services;
  return setInterval(() => {
    // The wait beside it tells of a store that is gone.
    void batches.getBatch(batch.tenant, batch.batchId).then(
      (now) => now && onProgress(now),
      () => undefined,
    );
  }, watchMs);
}

async function* stoppable<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    for await (const item of items) {
      signal.throwIfAborted();
      yield item;
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
    const message = 'stopped; run the same command again to go on';
    throw new CertmillError('FAULT_STOPPING', message, { cause });
  }
}

async function orderFor(
  issuance: Issuance,
  request: IssueRequest,
  orderId: string,
): Promise<Order> {
  const { services } = issuance;
  const { operatorTenant: tenant } = services;
  const order =
    (await services.orders.getOrder(tenant, orderId)) ??
    (await openOrder(services.opening, {
      tenant,
      orderId,
      profileName: request.profileName,
      issuer: request.issuer ?? services.defaultIssuerOf(tenant),
      quota: unboundedQuota,
      requiresAllowList: request.devicesFile !== undefined,
      expiresAtMs: services.clock.nowMs() + orderLifeMs,
    }));
  // Also where a run was killed between the order and its list.
  if (request.devicesFile !== undefined && order.allowListId === undefined) {
    const rows = readDevices(createReadStream(request.devicesFile) as AsyncIterable<Uint8Array>);
    await services.orders.importAllowList(tenant, orderId, rows);
  }
  return order;
}

/** SHA-256, hex, of what makes two runs the same one; standard input is never the same. */
async function identityOf(request: IssueRequest): Promise<string> {
  const hash = createHash('sha256');
  const { inputs, profileName, issuer = '', devicesFile } = request;
  hash.update(JSON.stringify([profileName, issuer]));
  for (const path of devicesFile === undefined ? inputs : [...inputs, devicesFile]) {
    if (path === '-') hash.update(randomUUID());
    else await describe(path, hash);
  }
  return hash.digest('hex');
}

async function describe(path: string, hash: ReturnType<typeof createHash>): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) {
      for (const name of (await readdir(path)).sort()) await describe(join(path, name), hash);
    } else {
      hash.update(JSON.stringify([path, found.size, found.mtimeMs]));
    }
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${path}`, { cause });
  }
}
