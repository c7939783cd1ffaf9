import type { OrderView } from '../client/views.js';
import { formatNumber } from '../terminal/quantities.js';

/** An order for people. */
export function orderLines(order: OrderView): string[] {
  const devices = order.requiresAllowList
    ? `${formatNumber(order.devices)} on the allow-list`
    : 'any';
  return [
    `order    ${order.orderId} (${order.state})`,
    `profile  ${order.profile}, issuer ${order.issuer}`,
    `quota    ${formatNumber(order.reserved)} of ${formatNumber(order.quota)} used`,
    `devices  ${devices}`,
    ...(order.renews ? ['renews   the certificates that its devices hold'] : []),
    `until    ${order.expiresAt}`,
  ];
}
