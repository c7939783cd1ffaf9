import { CertmillError, isOnHold, rejectionNumber, type RejectionCode } from '@certmill/domain';
import { amendVerdict, type VerdictChange } from '@certmill/events';
import { obstacleDetail, udidIdAt, type ClaimObstacle } from '@certmill/packed';
import type { Decision } from '@certmill/ports';
import type { BatchTable } from './batch-table.js';
import type { ChunkRecord, ChunkTable } from './chunk-table.js';
import type { OrderTable } from './order-table.js';
import type { StatusTable } from './status-table.js';
import type { StoreClaims } from './store-claims.js';

export interface DecideTables {
  readonly batches: BatchTable;
  readonly chunks: ChunkTable;
  readonly orders: OrderTable;
  readonly claims: StoreClaims;
  readonly statuses: StatusTable;
}

/**
 * The verdict in force on a chunk, made now where there is none: claims first, then the order's
 * dates, then its quota, request by request, so the lowest indexes win. An order that renews takes
 * over the claim of a device whose certificate is issued and not on hold, until it is given back. One
 * transaction, the caller's.
 */
export function decideChunk(tables: DecideTables, decision: Decision): Uint8Array {
  const { chunks, claims, orders } = tables;
  const { tenant } = decision.chunk;
  const chunk = chunks.require(decision.chunk);
  const stored = chunks.getVerdict(chunk);
  if (stored !== undefined) return stored;
  const account = orders.account(tenant, decision.orderId);
  if (account === undefined || chunk.batch.orderId !== decision.orderId) {
    throw new CertmillError('FAULT_PROCESSING', `order ${decision.orderId} has no such chunk`);
  }
  chunks.confirm(chunk);
  const isClosed = account.isClosed || decision.nowMs > account.expiresAtMs;
  const left = account.quota - account.reserved;
  let taken = 0;
  const changes: VerdictChange[] = [];
  const reject = (position: number, code: RejectionCode, detail: string): void => {
    changes.push({ position, code: rejectionNumber(code), detail });
  };
  const scoped = claims.within({ tenant, profileName: decision.profileName });
  const requests = requestsOf(chunk, decision);
  for (const { position, deviceId, udidId, locator } of requests) {
    const obstacle = scoped.obstacleOf(deviceId, udidId, locator);
    const code = obstacle && codeOf(tables, chunk, obstacle);
    const isReplaced =
      account.renews && code === 'DEVICE_ALREADY_ISSUED' && !isHeld(tables, obstacle);
    if (obstacle !== undefined && code !== undefined && !isReplaced) {
      reject(position, code, obstacleDetail(obstacle, deviceId));
    } else if (isClosed) {
      reject(position, 'ORDER_CLOSED', `order ${decision.orderId} is closed or past its date`);
    } else if (taken === left) {
      reject(
        position,
        'ORDER_QUOTA_EXCEEDED',
        `order ${decision.orderId} allows ${String(account.quota)} certificates`,
      );
    } else {
      scoped.take(locator, isReplaced);
      taken += 1;
    }
  }
  if (taken > 0) orders.reserve(account, taken);
  const verdict = amendVerdict(decision.draft, changes);
  chunks.insertVerdict(chunk, verdict);
  return verdict;
}

/** The requests of a chunk that its draft accepts, in the order of their indexes. */
function* requestsOf(chunk: ChunkRecord, decision: Decision) {
  const udids = Buffer.from(
    decision.udids.buffer,
    decision.udids.byteOffset,
    decision.udids.byteLength,
  );
  for (const [position, code] of decision.codes.entries()) {
    if (code !== 0) continue;
    const locator = { seq: chunk.batch.seq, index: decision.firstIndex + position };
    const deviceId = decision.deviceIds[position] ?? '';
    yield { position, deviceId, udidId: udidIdAt(udids, position), locator };
  }
}

/** What is on hold keeps its device's claim until it is released or revoked: it is not renewed. */
function isHeld({ batches, statuses }: DecideTables, obstacle: ClaimObstacle | undefined): boolean {
  if (obstacle?.kind !== 'device-claimed') return false;
  const { seq, index } = obstacle.holder;
  const batch = batches.keyOfSeq(seq);
  return batch !== undefined && isOnHold(statuses.get(batch, index));
}

function codeOf(tables: DecideTables, chunk: ChunkRecord, obstacle: ClaimObstacle): RejectionCode {
  if (obstacle.kind === 'key-compromised') return 'KEY_COMPROMISED';
  if (obstacle.kind === 'key-of-another-device') {
    const isOfSameBatch = obstacle.holders.some(({ seq }) => seq === chunk.batch.seq);
    return isOfSameBatch ? 'DUPLICATE_IN_BATCH' : 'KEY_IN_USE';
  }
  const { holder } = obstacle;
  if (holder.seq === chunk.batch.seq) return 'DUPLICATE_IN_BATCH';
  const batch = tables.batches.keyOfSeq(holder.seq);
  const other = batch && tables.chunks.findAt(batch, holder.index);
  return other?.segment === undefined ? 'DEVICE_REQUEST_PENDING' : 'DEVICE_ALREADY_ISSUED';
}
