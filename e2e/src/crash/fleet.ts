import type { RejectionCode } from '@certmill/domain';
import { aCsr, aForgedCsr, ndjsonLineOf } from '../testing/a-csr.js';

/** One request as it is uploaded, and what may become of it. */
export interface FleetRequest {
  /** '' where the line names no device. */
  readonly deviceId: string;
  /** Its NDJSON line. */
  readonly line: string;
  /** Must it end as rejected, whatever happens? */
  readonly isBad: boolean;
  /** The codes that may end it without a certificate; empty: any. */
  readonly mayEndAs: readonly RejectionCode[];
}

export interface FleetBatch {
  /** Its Idempotency-Key. */
  readonly key: string;
  readonly orderId: string;
  readonly requests: readonly FleetRequest[];
  /** The client cancels the batch once so many requests are on their way. */
  readonly cancelAt?: number;
}

export interface FleetOrder {
  readonly orderId: string;
  readonly quota: number;
  /** Device ids; absent: no allow-list. */
  readonly allowList?: readonly string[];
}

/** Requests of a batch that are worth waiting for: once it is cancelled the rest is refused. */
export function pacedRequestsOf(batch: FleetBatch): number {
  return batch.cancelAt ?? batch.requests.length;
}

export interface Fleet {
  readonly orders: readonly FleetOrder[];
  readonly batches: readonly FleetBatch[];
}

const deviceIsTaken: readonly RejectionCode[] = [
  'DUPLICATE_IN_BATCH',
  'DEVICE_REQUEST_PENDING',
  'DEVICE_ALREADY_ISSUED',
];

/**
 * Requests for three orders in five batches, with what a factory gets wrong: bad proofs of
 * possession, lines that are no JSON, devices twice in a batch and over batches, devices that are
 * not allowed, a quota that is too small, and a batch that is cancelled half-way.
 */
export function makeFleet(count: number): Fleet {
  const share = (percent: number): number => Math.floor((count * percent) / 100);
  const first = firstRequests(share(30));
  const good = first.filter(({ isBad }) => !isBad);
  const listed = goodRequests('listed', share(20));
  const tight = goodRequests('tight', share(20), ['ORDER_QUOTA_EXCEEDED']);
  const stopped = goodRequests('stopped', share(10), ['BATCH_CANCELLED']);
  return {
    orders: [
      { orderId: 'wide', quota: count * 2 },
      { orderId: 'tight', quota: share(12) },
      {
        orderId: 'listed',
        quota: count,
        allowList: listed.flatMap(({ deviceId }, i) => (isUnlisted(i) ? [] : [deviceId])),
      },
    ],
    batches: [
      { key: 'first', orderId: 'wide', requests: first },
      { key: 'tight', orderId: 'tight', requests: tight },
      { key: 'again', orderId: 'wide', requests: againRequests(good, share(20)) },
      {
        key: 'stopped',
        orderId: 'wide',
        requests: stopped,
        cancelAt: Math.floor(stopped.length / 2),
      },
      {
        key: 'listed',
        orderId: 'listed',
        requests: listed.map((request, i) =>
          isUnlisted(i)
            ? { ...request, isBad: true, mayEndAs: ['DEVICE_NOT_AUTHORIZED'] }
            : request,
        ),
      },
    ],
  };
}

/** A device that asks for itself, on the interactive lane. */
export function singleEnrolment(number: number): FleetBatch {
  const key = `single-${number}`;
  return { key, orderId: 'wide', requests: [requestOf(key, [])] };
}

/** A device that asks only to see whether the servers work. */
export function probeOf(number: number): FleetBatch {
  const key = `probe-${number}`;
  return { key, orderId: 'wide', requests: [requestOf(key, [])] };
}

/** The DER of a request that has a device id. */
export function csrOfRequest(request: FleetRequest): Buffer {
  return Buffer.from((JSON.parse(request.line) as { readonly csr: string }).csr, 'base64');
}

function isUnlisted(position: number): boolean {
  return position % 40 === 7;
}

function firstRequests(count: number): FleetRequest[] {
  const requests: FleetRequest[] = [];
  for (let i = 0; i < count; i++) {
    const previous = requests[i - 1];
    if (i % 50 === 3) requests.push(forged(`first-${i}`));
    else if (i % 211 === 5) requests.push(unreadable);
    else if (i % 97 === 11 && previous !== undefined && !previous.isBad) requests.push(previous);
    else requests.push(requestOf(`first-${i}`, deviceIsTaken));
  }
  return requests;
}

/** New devices, devices that ask again with the same request, and some that do with a new key. */
function againRequests(before: readonly FleetRequest[], count: number): FleetRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const earlier = before[i];
    if (earlier !== undefined && i % 10 === 4) return earlier;
    if (earlier !== undefined && i % 13 === 6) return requestOf(earlier.deviceId, deviceIsTaken);
    return requestOf(`again-${i}`, []);
  });
}

function goodRequests(
  prefix: string,
  count: number,
  mayEndAs: readonly RejectionCode[] = [],
): FleetRequest[] {
  return Array.from({ length: count }, (_, i) => requestOf(`${prefix}-${i}`, mayEndAs));
}

const unreadable: FleetRequest = { deviceId: '', line: '{no json\n', isBad: true, mayEndAs: [] };

function requestOf(deviceId: string, mayEndAs: readonly RejectionCode[]): FleetRequest {
  return { deviceId, line: ndjsonLineOf(deviceId, aCsr(deviceId)), isBad: false, mayEndAs };
}

function forged(deviceId: string): FleetRequest {
  const line = ndjsonLineOf(deviceId, aForgedCsr(deviceId));
  return { deviceId, line, isBad: true, mayEndAs: ['CSR_POP_INVALID'] };
}
