import {
  CertmillError,
  isCertmillError,
  type MassOperation,
  type Order,
  type OrderId,
  type ReissueWork,
  type TenantId,
} from '@certmill/domain';
import { isOrderWanted, openOrder, type NewOrder } from '../ingest/open-order.js';
import type { MassPorts } from './mass-ports.js';

/**
 * The order that a reissue uploads into, or that devices renew under: it takes the place of what they hold.
 * Whoever may renew is on its allow-list; into that of a reissue nobody uploads but the operation.
 */
export function orderOfReissue(
  { tenant, operationId, quota }: Pick<MassOperation, 'tenant' | 'operationId' | 'quota'>,
  { kind, issuer, profileName, expiresAtMs }: ReissueWork,
): NewOrder {
  return {
    tenant,
    orderId: operationId,
    profileName,
    issuer,
    quota,
    requiresAllowList: kind === 'renew',
    renews: true,
    reissues: kind === 'reissue',
    expiresAtMs,
  };
}

/**
 * The order of an operation, which is opened where there is none. Faults: as `openOrder`, CONFLICT where
 * somebody has opened another one under its name since the operation began.
 */
export async function theOrder(
  ports: Pick<MassPorts, 'orders' | 'opening'>,
  operation: MassOperation,
  work: ReissueWork,
): Promise<Order> {
  const { tenant, operationId } = operation;
  const wanted = orderOfReissue(operation, work);
  const stored = await ports.orders.getOrder(tenant, operationId);
  if (stored === undefined) return openOrder(ports.opening, wanted);
  if (isOrderWanted(stored, wanted)) return stored;
  throw new CertmillError(
    'CONFLICT',
    `order '${operationId}' is another one: begin the operation again under another name`,
  );
}

/** Closes the order of an operation, if there is one, and no other one of its name. */
export async function closeTheOrder(
  { orders }: Pick<MassPorts, 'orders'>,
  operation: MassOperation,
  atMs: number,
): Promise<void> {
  const { tenant, operationId, work } = operation;
  if (work.kind === 'revoke') return;
  const stored = await orders.getOrder(tenant, operationId);
  if (stored === undefined || !isOrderWanted(stored, orderOfReissue(operation, work))) return;
  await orders.closeOrder(tenant, operationId, atMs);
}

/**
 * The same of one that is cancelled. Where there is no order, there is a closed one then: a run that was about to
 * open it opens none behind our back. Where it cannot be opened, nobody else can.
 */
export async function shutTheOrder(
  ports: Pick<MassPorts, 'orders' | 'opening'>,
  operation: MassOperation,
  atMs: number,
): Promise<void> {
  const { work } = operation;
  if (work.kind === 'revoke') return;
  await theOrder(ports, operation, work).catch((error: unknown) => {
    if (isCertmillError(error) && reasonsForNone.includes(error.code)) return;
    throw error;
  });
  await closeTheOrder(ports, operation, atMs);
}

/** No such profile or issuer any more, the time is over; there is another order. */
const reasonsForNone: readonly string[] = ['INVALID_INPUT', 'CONFLICT'];

/**
 * Whether an order is that of a reissue: then its requests say in their sources where they were issued first. Into
 * another one, opened under the name of a reissue too, clients upload, who say there what they like.
 */
export async function isOrderOfReissue(
  { orders }: Pick<MassPorts, 'orders'>,
  tenant: TenantId,
  orderId: OrderId,
): Promise<boolean> {
  return (await orders.getOrder(tenant, orderId))?.reissues === true;
}
