import { X509Certificate } from 'node:crypto';
import {
  hasExpired,
  isOnHold,
  type Batch,
  type FrozenBatch,
  type Order,
  type TenantId,
} from '@certmill/domain';
import type { PageRequest } from '@certmill/ports';
import { fallenCaOf } from '../authorities.js';
import type { MassPorts } from '../mass/mass-ports.js';
import { readChunk } from '../mass/read-chunk.js';
import { replacementTest } from '../mass/replacement-test.js';
import type { StoredCertificate } from '../mass/stored-certificate.js';
import { allPages } from '../revoke/all-pages.js';
import { CertificateReader } from '../revoke/read-certificates.js';
import { readStatuses } from '../revoke/read-statuses.js';
import { orderLife, type OrderLife } from './order-life.js';

export type ToRenewPorts = Pick<
  MassPorts,
  | 'orders'
  | 'batches'
  | 'certificates'
  | 'profiles'
  | 'clock'
  | 'chainOf'
  | 'revocationOf'
  | 'crlShardsOf'
> & {
  /** When the certificates end that the issuer had before its present one, Unix milliseconds; undefined: nobody knows. */
  readonly formerEndsOf: (issuer: string) => readonly (number | undefined)[];
};

/** Of one chunk, those that end in time. */
export interface ChunkToRenew {
  readonly order: Order;
  /** How long its certificates live; absent where its profile has a fixed end. */
  readonly lifeMs?: number;
  /** Unix milliseconds, one for each certificate. */
  readonly endsMs: readonly number[];
}

export interface ToRenewWindow {
  readonly nowMs: number;
  /**
   * Up to when what ends is looked for among certificates that live so long, undefined: to a fixed end. Undefined
   * where they are left out.
   */
  readonly untilMsOf: (lifeMs: number | undefined) => number | undefined;
  /** Called between looks at the store, of some 10 ms each; may wait. False: nothing more is looked at. */
  readonly turn: () => Promise<boolean>;
}

/** Clocks of several processes pin when requests were received. */
const clocksApartMs = 86_400_000;
const batchesPerTurn = 500;

/**
 * The certificates of a tenant's devices that end from now on up to a time, and whose devices have nothing in their
 * place: neither revoked for good nor replaced by a later one of the device under a profile of the same name that is
 * good or on hold. Those on hold count themselves. Left out is what stands under an issuer that is gone, is revoked
 * or has ended, and what has no expiration.
 *
 * One chunk is in memory at a time. Orders and batches that cannot end in that time are passed over by their dates;
 * of the others every chunk that may is read, and of each renewed certificate the one after it. Where a former
 * certificate of the issuer ends in that time, or nobody knows when, it may have cut any short that was issued before: each
 * batch from before its end costs a look at its first chunk.
 */
export async function* certificatesToRenew(
  given: ToRenewPorts,
  tenant: TenantId,
  window: ToRenewWindow,
): AsyncGenerator<ChunkToRenew> {
  // What was issued by an issuer that is gone stands for its device; its CRL is none of this.
  const ports = { ...given, crlShardsOf: (issuer: string) => given.crlShardsOf(issuer) ?? 0 };
  const { nowMs } = window;
  // Read once: many orders have one issuer.
  const formerEnds = new Map<string, ReturnType<ToRenewPorts['formerEndsOf']>>();
  for await (const order of allPages((page) => ports.orders.listOrders(tenant, page))) {
    if (!(await window.turn())) return;
    const [issuer] = ports.chainOf(order.issuer) ?? [];
    if (issuer === undefined || fallenCaOf(ports, order.issuer, nowMs) !== undefined) continue;
    const life = await orderLife(ports, order, new X509Certificate(issuer));
    const untilMs = life && window.untilMsOf(life.lifeMs);
    if (life === undefined || untilMs === undefined) continue;
    const { createdAtMs, closedAtMs, expiresAtMs } = order;
    const ends = formerEnds.get(order.issuer) ?? ports.formerEndsOf(order.issuer);
    formerEnds.set(order.issuer, ends);
    const formerEndsMs = ends
      .map((endMs) => endMs ?? untilMs)
      .filter((endMs) => endMs >= nowMs && endMs <= untilMs);
    const span = { nowMs, untilMs, formerEndsMs };
    const lastMs = Math.min(nowMs, closedAtMs ?? expiresAtMs);
    if (!mayEndIn(span, life, createdAtMs, lastMs)) continue;
    for await (const endsMs of endsUnder(ports, order, life, span, window.turn)) {
      yield { order, ...(life.lifeMs === undefined ? {} : { lifeMs: life.lifeMs }), endsMs };
    }
  }
}

interface Span {
  readonly nowMs: number;
  readonly untilMs: number;
  /** Of the issuer, those in the span. */
  readonly formerEndsMs: readonly number[];
}

/** Whether certificates may end in the span whose requests were received from the first time to the last. */
function mayEndIn(
  { nowMs, untilMs, formerEndsMs }: Span,
  { endOf }: OrderLife,
  firstMs: number,
  lastMs: number,
): boolean {
  const last = endOf(lastMs + clocksApartMs);
  if (last !== undefined && last < nowMs) return false;
  // It was renewed before its end, and may have cut short what was issued until then.
  if (formerEndsMs.some((endMs) => firstMs <= endMs)) return true;
  const first = endOf(firstMs - clocksApartMs);
  return first !== undefined && first <= untilMs;
}

async function* endsUnder(
  ports: ToRenewPorts,
  order: Order,
  life: OrderLife,
  span: Span,
  turn: ToRenewWindow['turn'],
): AsyncGenerator<readonly number[]> {
  const { tenant, orderId } = order;
  const reader = new CertificateReader(ports);
  const list = (page: PageRequest) => ports.batches.listBatches(tenant, orderId, page);
  let batches = 0;
  for await (const batch of allPages(list)) {
    if (++batches % batchesPerTurn === 0 && !(await turn())) return;
    if (!mayHaveEndsIn(span, life, batch)) continue;
    for (let chunkNumber = 0, isLast = false; !isLast; chunkNumber += 1) {
      if (!(await turn())) return;
      const chunk = await readChunk(ports, tenant, frozen(batch), chunkNumber, {});
      ({ isLast } = chunk);
      const { certificates } = chunk;
      const firstMs = Math.min(...certificates.map(({ notAfterMs }) => notAfterMs));
      // What was received later ends later.
      if (certificates.length > 0 && firstMs > span.untilMs + clocksApartMs) break;
      yield await endsOf(ports, order, certificates, span, reader);
    }
  }
}

function mayHaveEndsIn(span: Span, life: OrderLife, batch: Batch): boolean {
  const { createdAtMs, completedAtMs = span.nowMs, counters } = batch;
  return counters.issued > 0 && mayEndIn(span, life, createdAtMs, completedAtMs);
}

function frozen({ batchId, orderId, nextIndex }: Batch): FrozenBatch {
  return { batchId, orderId, nextIndex };
}

async function endsOf(
  ports: ToRenewPorts,
  { tenant, orderId }: Order,
  certificates: readonly StoredCertificate[],
  { nowMs, untilMs }: Span,
  reader: CertificateReader,
): Promise<readonly number[]> {
  const ending = certificates.filter(
    ({ notAfterMs }) => notAfterMs <= untilMs && !hasExpired(notAfterMs, nowMs),
  );
  if (ending.length === 0) return [];
  const statuses = await readStatuses(ports, ending);
  const standing = ending.filter((_, i) => {
    const status = statuses[i] ?? { state: 'good' };
    return status.state === 'good' || isOnHold(status);
  });
  if (standing.length === 0) return [];
  const rivalsOf = await replacementTest(ports, tenant, orderId, standing, nowMs, reader);
  return standing.flatMap(({ notAfterMs }, i) => {
    return rivalsOf(i).stand === undefined ? [notAfterMs] : [];
  });
}
