import { CertmillError, rejectionNumber, type RejectionCode } from '@certmill/domain';
import { amendVerdict, type VerdictChange } from '@certmill/events';
import { obstacleDetail, udidIdAt } from '@certmill/packed';
import type { Decision } from '@certmill/ports';
import type { ChunkRecord } from './chunk-table.js';
import { ClaimHolders, type HolderTables } from './claim-holders.js';
import type { OrderTable } from './order-table.js';
import type { StoreClaims } from './store-claims.js';

export interface DecideTables extends HolderTables {
  readonly orders: OrderTable;
  readonly claims: StoreClaims;
}

/**
 * The verdict in force on a chunk, made now where there is none: claims first, then the order's
 * dates, then its quota, request by request, so the lowest indexes win. The claim of a certificate that
 * had expired when the chunk was received is taken over. An order that renews takes over each that is
 * issued and not on hold, until it is given back; one that reissues, that of the expected holder. One transaction,
 * the caller's.
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
  const { renews } = account;
  const holders = new ClaimHolders(tables, chunk, {
    receivedAtMs: decision.receivedAtMs,
    renews,
  });
  for (const { position, deviceId, udidId, locator } of requestsOf(chunk, decision)) {
    const obstacle = scoped.obstacleOf(deviceId, udidId, locator);
    const conflict = obstacle && holders.conflictOf(obstacle, decision.expectedHolders?.[position]);
    if (obstacle !== undefined && conflict?.isReplaced === false) {
      const { code, notAfterMs } = conflict;
      reject(position, code, obstacleDetail(obstacle, deviceId, notAfterMs));
    } else if (isClosed) {
      reject(position, 'ORDER_CLOSED', `order ${decision.orderId} is closed or past its date`);
    } else if (taken === left) {
      reject(
        position,
        'ORDER_QUOTA_EXCEEDED',
        `order ${decision.orderId} allows ${String(account.quota)} certificates`,
      );
    } else {
      scoped.take(locator, renews && conflict !== undefined);
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
