import { X509Certificate } from 'node:crypto';
import type { Batch, Order, TenantId } from '@certmill/domain';
import type { BatchStore, OrderStore, PageRequest } from '@certmill/ports';
import type { Authorities, RevokedAuthority } from '../authorities.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';
import { allPages } from '../revoke/all-pages.js';
import { orderLife } from './order-life.js';

export interface ExpiryPorts extends Authorities {
  readonly orders: Pick<OrderStore, 'listOrders'>;
  readonly batches: Pick<BatchStore, 'listBatches'>;
  readonly profiles: Pick<ProfileCatalogue, 'get'>;
}

/** A CA certificate above certificates of the tenant. */
export interface AuthorityEnd {
  readonly subject: string;
  /** Hex. */
  readonly serialNumber: string;
  readonly notAfterMs: number;
  /** Issuers of the tenant's orders that stand on it. */
  readonly issuers: readonly string[];
  /** Why it, or a CA above it, is revoked: it is over whatever its end is. */
  readonly revoked?: string;
}

/** Certificates of devices that end in the same month. */
export interface DeviceEnds {
  /** `2027-03`, in UTC. */
  readonly month: string;
  readonly profile: string;
  readonly issuer: string;
  /** As issued, whether revoked or renewed since. */
  readonly certificates: number;
  /** Why their issuer, or a CA above it, is revoked: all of them are. */
  readonly revoked?: string;
}

/** An order that is open, whose certificates take the place of what devices hold. */
export interface OpenRenewal {
  readonly orderId: string;
  readonly profile: string;
  readonly issuer: string;
  /** Until then. */
  readonly expiresAtMs: number;
  /** On its allow-list; undefined where it takes any. */
  readonly devices?: number;
  /** Certificates so far. */
  readonly issued: number;
}

export interface ExpiryCalendar {
  /** The next to end first. */
  readonly authorities: readonly AuthorityEnd[];
  /** The next to end first. */
  readonly renewals: readonly OpenRenewal[];
  /** Of the tenant's orders, those that are known. */
  readonly issuers: readonly string[];
  /** By month; certificates without expiration are left out. */
  readonly devices: readonly DeviceEnds[];
}

/**
 * What runs out when, from `nowMs` up to `untilMs`: the CAs above the tenant's orders, the certificates of its
 * devices, and the time to renew these. CAs and devices also where they are over. These are counted by batch, as if
 * all of one had come when its upload began: no certificate is read, so that ten million cost what their batches do.
 * Once `signal` aborts its reason is thrown.
 */
export async function expiryCalendar(
  ports: ExpiryPorts,
  tenant: TenantId,
  { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number },
  signal?: AbortSignal,
): Promise<ExpiryCalendar> {
  const authorities = new Map<string, AuthorityEnd>();
  const devices = new Map<string, DeviceEnds>();
  const renewals: OpenRenewal[] = [];
  const chains = new Map<string, readonly X509Certificate[] | undefined>();
  for await (const order of allPages((page) => ports.orders.listOrders(tenant, page))) {
    signal?.throwIfAborted();
    const { issuer } = order;
    if (!chains.has(issuer)) {
      const found = ports.chainOf(issuer)?.map((der) => new X509Certificate(der));
      chains.set(issuer, found);
      noteAuthorities(authorities, found ?? [], issuer, ports.revocationOf(issuer));
    }
    const chain = chains.get(issuer);
    const revoked = ports.revocationOf(issuer)?.reason;
    const endOf = (await orderLife(ports, order, chain?.[0]))?.endOf;
    const isRenewal = isOpenRenewal(order, nowMs) && order.expiresAtMs <= untilMs;
    if (endOf === undefined && !isRenewal) continue;
    let issued = 0;
    const list = (page: PageRequest) => ports.batches.listBatches(tenant, order.orderId, page);
    for await (const batch of allPages(list)) {
      signal?.throwIfAborted();
      issued += batch.counters.issued;
      const endMs = batch.counters.issued === 0 ? undefined : endOf?.(batch.createdAtMs);
      if (endMs !== undefined && endMs <= untilMs)
        noteDevices(devices, order, batch, { endMs, revoked });
    }
    if (isRenewal) renewals.push(renewalOf(order, issued));
  }
  return {
    authorities: [...authorities.values()]
      .filter(({ notAfterMs }) => notAfterMs <= untilMs)
      .sort((left, right) => left.notAfterMs - right.notAfterMs),
    issuers: [...chains].flatMap(([name, chain]) => (chain === undefined ? [] : [name])).sort(),
    renewals: renewals.sort((left, right) => left.expiresAtMs - right.expiresAtMs),
    devices: [...devices.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1)),
  };
}

function isOpenRenewal({ renews, closedAtMs, expiresAtMs }: Order, nowMs: number): boolean {
  return renews === true && closedAtMs === undefined && expiresAtMs > nowMs;
}

function renewalOf(order: Order, issued: number): OpenRenewal {
  const { orderId, profileName: profile, issuer, expiresAtMs, requiresAllowList } = order;
  const devices = requiresAllowList ? { devices: order.allowListDevices ?? 0 } : {};
  return { orderId, profile, issuer, expiresAtMs, ...devices, issued };
}

/** With a CA that is revoked end those below it, which come before it in the chain. */
function noteAuthorities(
  authorities: Map<string, AuthorityEnd>,
  chain: readonly X509Certificate[],
  issuer: string,
  revoked: RevokedAuthority | undefined,
): void {
  const serialNumbers = chain.map(({ serialNumber }) => BigInt(`0x${serialNumber}`));
  const last = revoked ? serialNumbers.indexOf(BigInt(`0x${revoked.serialNumberHex}`)) : -1;
  for (const [index, certificate] of chain.entries()) {
    noteAuthority(authorities, certificate, issuer, index <= last ? revoked?.reason : undefined);
  }
}

function noteAuthority(
  authorities: Map<string, AuthorityEnd>,
  certificate: X509Certificate,
  issuer: string,
  revoked: string | undefined,
): void {
  const { fingerprint256, subject, serialNumber, validToDate } = certificate;
  const known = authorities.get(fingerprint256);
  const issuers = new Set([...(known?.issuers ?? []), issuer]);
  authorities.set(fingerprint256, {
    subject: subject.replaceAll('\n', ', '),
    serialNumber: serialNumber.toLowerCase(),
    notAfterMs: validToDate.getTime(),
    issuers: [...issuers].sort(),
    ...(revoked === undefined ? {} : { revoked }),
  });
}

function noteDevices(
  devices: Map<string, DeviceEnds>,
  { profileName: profile, issuer }: Order,
  { counters }: Batch,
  { endMs, revoked }: { readonly endMs: number; readonly revoked: string | undefined },
): void {
  const month = new Date(endMs).toISOString().slice(0, 7);
  const key = keyOf({ month, profile, issuer });
  const certificates = (devices.get(key)?.certificates ?? 0) + counters.issued;
  devices.set(key, {
    ...{ month, profile, issuer, certificates },
    ...(revoked === undefined ? {} : { revoked }),
  });
}

function keyOf({ month, profile, issuer }: Pick<DeviceEnds, 'month' | 'profile' | 'issuer'>) {
  return `${month} ${profile} ${issuer}`;
}
