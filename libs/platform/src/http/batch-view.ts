import { inFlightOf, isComplete, type Batch, type Counters } from '@certmill/domain';

/** A batch as clients see it. */
export interface BatchView {
  readonly batchId: string;
  readonly orderId: string;
  readonly lane: string;
  readonly state: 'uploading' | 'processing' | 'complete' | 'cancelled' | 'broken-off';
  readonly createdAt: string;
  readonly completedAt?: string;
  readonly cancelledAt?: string;
  readonly brokenOffAt?: string;
  readonly nextIndex: number;
  readonly total?: number;
  readonly counters: Counters & { readonly inFlight: number };
  /** Ended requests a second since the batch was opened. */
  readonly ratePerSecond: number;
  /** Absent while nothing has ended or the total is unknown. */
  readonly etaSeconds?: number;
}

export function batchView(batch: Batch, nowMs: number): BatchView {
  const { counters } = batch;
  const inFlight = inFlightOf(counters);
  const ended = counters.accepted - inFlight;
  const seconds = Math.max(0.001, ((batch.completedAtMs ?? nowMs) - batch.createdAtMs) / 1000);
  const ratePerSecond = Math.round((ended / seconds) * 10) / 10;
  const left = batch.total === undefined ? undefined : batch.total - ended;
  return {
    batchId: batch.batchId,
    orderId: batch.orderId,
    lane: batch.lane,
    state: stateOf(batch),
    createdAt: new Date(batch.createdAtMs).toISOString(),
    ...isoIf('completedAt', batch.completedAtMs),
    ...isoIf('cancelledAt', batch.cancelledAtMs),
    ...isoIf('brokenOffAt', batch.brokenOffAtMs),
    nextIndex: batch.nextIndex,
    ...(batch.total === undefined ? {} : { total: batch.total }),
    counters: { ...counters, inFlight },
    ratePerSecond,
    ...(left === undefined || ratePerSecond === 0
      ? {}
      : { etaSeconds: Math.ceil(left / ratePerSecond) }),
  };
}

function stateOf(batch: Batch): BatchView['state'] {
  if (batch.cancelledAtMs !== undefined) return 'cancelled';
  if (batch.brokenOffAtMs !== undefined) return 'broken-off';
  if (isComplete(batch)) return 'complete';
  return batch.total === undefined ? 'uploading' : 'processing';
}

function isoIf<K extends string>(key: K, atMs: number | undefined): Partial<Record<K, string>> {
  return atMs === undefined ? {} : ({ [key]: new Date(atMs).toISOString() } as Record<K, string>);
}
