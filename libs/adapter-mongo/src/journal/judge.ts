import {
  CertmillError,
  rejectionNumber,
  type ChunkRef,
  type RejectionCode,
} from '@certmill/domain';
import { amendVerdict, decodeVerdict, type VerdictChange } from '@certmill/events';
import {
  obstacleDetail,
  requestKeysBytes,
  udidIdAt,
  type ClaimObstacle,
  type Locator,
  type RequestKeys,
} from '@certmill/packed';
import type { Decision } from '@certmill/ports';
import type { OrderTerms } from './claim-journal.js';
import type { DecisionItem } from './journal-entry.js';
import type { ShardView } from './shard-view.js';

/** A decision as it was asked for, its keys hashed: it may be judged several times. */
export interface Candidate {
  readonly decision: Decision;
  readonly order: OrderTerms;
  /** Positions that the draft accepts; `keys` are theirs. */
  readonly positions: readonly number[];
  readonly keys: Buffer;
}

/**
 * Refuses what would make an entry that no process can read.
 * Faults: FAULT_PROCESSING, FAULT_EVENT_UNDECODABLE.
 */
export function candidateOf(decision: Decision, order: OrderTerms, keys: RequestKeys): Candidate {
  const { codes, deviceIds, profileName } = decision;
  const drafted = decodeVerdict(decision.draft).codes;
  if (drafted.length !== codes.length || drafted.some((code, i) => code !== codes[i])) {
    throw new CertmillError('FAULT_PROCESSING', 'a decision does not match its draft');
  }
  const { buffer, byteOffset, byteLength } = decision.udids;
  const udids = Buffer.from(buffer, byteOffset, byteLength);
  const positions: number[] = [];
  for (const [position, code] of codes.entries()) if (code === 0) positions.push(position);
  const packed = Buffer.allocUnsafeSlow(positions.length * requestKeysBytes);
  const write = keys.within({ tenant: decision.chunk.tenant, profileName });
  for (const [i, position] of positions.entries()) {
    const deviceId = deviceIds[position] ?? '';
    write(deviceId, udidIdAt(udids, position), packed, i * requestKeysBytes);
  }
  return { decision, order, positions, keys: packed };
}

interface Refusal {
  readonly position: number;
  readonly why: ClaimObstacle | 'closed' | 'quota';
}

/** What a view says of a candidate at one place in the journal. */
export interface Judgement {
  readonly candidate: Candidate;
  /** Where its first request is in the entry that is to hold it. */
  readonly start: number;
  /** Which of the candidate's `positions` pass. */
  readonly accepted: readonly number[];
  readonly refusals: readonly Refusal[];
}

/** Whether the request at a place has a certificate that a chunk may take the place of. */
export type IsReplaceable = (chunk: ChunkRef, holder: Locator) => boolean;

/**
 * Claims first, then the order's dates, then its quota, request by request, so the lowest indexes win.
 * Puts into the view what the fold of the decision will: of an order that renews with a way back for
 * those that it takes over.
 */
export function judge(
  view: ShardView,
  candidate: Candidate,
  seq: number,
  start: number,
  isReplaceable: IsReplaceable,
): Judgement {
  const { decision, order, positions, keys } = candidate;
  const { chunk, orderId } = decision;
  const isClosed = order.isClosed || decision.nowMs > order.expiresAtMs;
  const left = order.quota - view.reservedUnder(chunk.tenant, orderId);
  const accepted: number[] = [];
  const refusals: Refusal[] = [];
  for (const [i, position] of positions.entries()) {
    const request = { seq, index: start + position };
    const at = i * requestKeysBytes;
    const obstacle = view.claims.obstacleOf(keys, at, request);
    const isReplaced = obstacle?.kind === 'device-claimed' && isReplaceable(chunk, obstacle.holder);
    const why =
      (isReplaced ? undefined : obstacle) ??
      (isClosed ? 'closed' : accepted.length >= left ? 'quota' : undefined);
    if (why === undefined) {
      view.claims.take(keys, at, request, { isRenewal: order.renews === true });
      accepted.push(i);
    } else {
      refusals.push({ position, why });
    }
  }
  view.noteDecided(chunk, { seq, index: start });
  view.reserve(chunk.tenant, orderId, accepted.length);
  return { candidate, start, accepted, refusals };
}

/** Who holds what a chunk wants; asked only of obstacles that the judgement found. */
export interface ObstacleCodes {
  readonly codeOf: (batchId: string, obstacle: ClaimObstacle) => RejectionCode;
  /** When the certificate ends that stands in the way, where one does and that is known. */
  readonly notAfterOf: (obstacle: ClaimObstacle) => number | undefined;
}

/** The judgement as an item of the journal. */
export function decisionItem(
  judgement: Judgement,
  { codeOf, notAfterOf }: ObstacleCodes,
): DecisionItem {
  const { candidate, accepted, refusals } = judgement;
  const { decision, order, keys } = candidate;
  const { chunk, orderId, profileName, firstIndex, codes, deviceIds } = decision;
  const changes = refusals.map(({ position, why }): VerdictChange => {
    const refuse = (code: RejectionCode, detail: string): VerdictChange => ({
      position,
      code: rejectionNumber(code),
      detail,
    });
    if (why === 'closed') {
      return refuse('ORDER_CLOSED', `order ${orderId} is closed or past its date`);
    }
    if (why === 'quota') {
      const allowed = `order ${orderId} allows ${String(order.quota)} certificates`;
      return refuse('ORDER_QUOTA_EXCEEDED', allowed);
    }
    const deviceId = deviceIds[position] ?? '';
    const code = codeOf(chunk.batchId, why);
    const notAfterMs = code === 'DEVICE_ALREADY_ISSUED' ? notAfterOf(why) : undefined;
    return refuse(code, obstacleDetail(why, deviceId, notAfterMs));
  });
  return {
    kind: 'decision',
    chunk: { tenant: chunk.tenant, batchId: chunk.batchId, chunkNumber: chunk.chunkNumber },
    orderId,
    profileName,
    renews: order.renews === true,
    firstIndex,
    count: codes.length,
    verdict: amendVerdict(decision.draft, changes),
    keys: accepted.length === keys.length / requestKeysBytes ? keys : keysOf(keys, accepted),
  };
}

/** The keys of some requests, in memory of their own. */
export function keysOf(keys: Buffer, which: readonly number[]): Buffer {
  const some = Buffer.allocUnsafeSlow(which.length * requestKeysBytes);
  for (const [i, from] of which.entries()) {
    const at = from * requestKeysBytes;
    keys.copy(some, i * requestKeysBytes, at, at + requestKeysBytes);
  }
  return some;
}
