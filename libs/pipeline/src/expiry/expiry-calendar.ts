import { X509Certificate } from 'node:crypto';
import {
  isCertmillError,
  type Batch,
  type Order,
  type Profile,
  type TenantId,
} from '@certmill/domain';
import type { BatchStore, OrderStore, Page, PageRequest } from '@certmill/ports';
import { validityRule } from '../profile/compile-profile.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';

export interface ExpiryPorts {
  readonly orders: Pick<OrderStore, 'listOrders'>;
  readonly batches: Pick<BatchStore, 'listBatches'>;
  readonly profiles: Pick<ProfileCatalogue, 'get'>;
  /** Certificates from the issuing CA up to the root, DER; undefined for an issuer that is gone. */
  readonly chainOf: (issuer: string) => readonly Uint8Array[] | undefined;
}

/** A CA certificate above certificates of the tenant. */
export interface AuthorityEnd {
  readonly subject: string;
  /** Hex. */
  readonly serialNumber: string;
  readonly notAfterMs: number;
  /** Issuers of the tenant's orders that stand on it. */
  readonly issuers: readonly string[];
}

/** Certificates of devices that end in the same month. */
export interface DeviceEnds {
  /** `2027-03`, in UTC. */
  readonly month: string;
  readonly profile: string;
  readonly issuer: string;
  /** As issued, whether revoked or renewed since. */
  readonly certificates: number;
}

export interface ExpiryCalendar {
  /** The next to end first. */
  readonly authorities: readonly AuthorityEnd[];
  /** By month; certificates without expiration are left out. */
  readonly devices: readonly DeviceEnds[];
}

const pageItems = 500;
/** The months of the year 9999 are nobody's calendar (RFC 5280 4.1.2.5). */
const noExpirationYear = 9_999;

/**
 * What runs out when, up to `untilMs`: the CAs above the tenant's orders, and the certificates of its
 * devices. These are counted by batch, as if all of one had come when its upload began: no certificate is
 * read, so that ten million cost what their batches do. Once `signal` aborts its reason is thrown.
 */
export async function expiryCalendar(
  ports: ExpiryPorts,
  tenant: TenantId,
  untilMs: number,
  signal?: AbortSignal,
): Promise<ExpiryCalendar> {
  const authorities = new Map<string, AuthorityEnd>();
  const devices = new Map<string, DeviceEnds>();
  const chains = new Map<string, readonly X509Certificate[] | undefined>();
  for await (const order of all((page) => ports.orders.listOrders(tenant, page))) {
    signal?.throwIfAborted();
    const { issuer } = order;
    if (!chains.has(issuer)) {
      const found = ports.chainOf(issuer)?.map((der) => new X509Certificate(der));
      chains.set(issuer, found);
      for (const certificate of found ?? []) noteAuthority(authorities, certificate, issuer);
    }
    const chain = chains.get(issuer);
    if (chain === undefined) continue;
    const endOf = await endRule(ports, order, chain);
    if (endOf === undefined) continue;
    const list = (page: PageRequest) => ports.batches.listBatches(tenant, order.orderId, page);
    for await (const batch of all(list)) {
      signal?.throwIfAborted();
      const endMs = endOf(batch);
      if (endMs !== undefined && endMs <= untilMs) noteDevices(devices, order, batch, endMs);
    }
  }
  return {
    authorities: [...authorities.values()]
      .filter(({ notAfterMs }) => notAfterMs <= untilMs)
      .sort((left, right) => left.notAfterMs - right.notAfterMs),
    devices: [...devices.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1)),
  };
}

function noteAuthority(
  authorities: Map<string, AuthorityEnd>,
  certificate: X509Certificate,
  issuer: string,
): void {
  const { fingerprint256, subject, serialNumber, validToDate } = certificate;
  const known = authorities.get(fingerprint256);
  const issuers = new Set([...(known?.issuers ?? []), issuer]);
  authorities.set(fingerprint256, {
    subject: subject.replaceAll('\n', ', '),
    serialNumber: serialNumber.toLowerCase(),
    notAfterMs: validToDate.getTime(),
    issuers: [...issuers].sort(),
  });
}

/** When the certificates of a batch end; undefined where the order's profile is gone. */
async function endRule(
  ports: ExpiryPorts,
  order: Order,
  [issuer]: readonly X509Certificate[],
): Promise<((batch: Batch) => number | undefined) | undefined> {
  const profile = await ports.profiles.get(order.tenant, order.profileHash);
  if (profile === undefined || issuer === undefined) return undefined;
  const life = {
    notBeforeMs: issuer.validFromDate.getTime(),
    notAfterMs: issuer.validToDate.getTime(),
  };
  return ({ createdAtMs, counters }) => {
    if (counters.issued === 0) return undefined;
    const endMs = endOfOne(profile, life, createdAtMs);
    return new Date(endMs).getUTCFullYear() >= noExpirationYear ? undefined : endMs;
  };
}

/** Under an issuer that was renewed for less than the profile wants, certificates end with it. */
function endOfOne(
  profile: Profile,
  life: { readonly notBeforeMs: number; readonly notAfterMs: number },
  receivedAtMs: number,
): number {
  try {
    return validityRule(profile, life)(receivedAtMs).notAfter * 1_000;
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return life.notAfterMs;
  }
}

function noteDevices(
  devices: Map<string, DeviceEnds>,
  { profileName: profile, issuer }: Order,
  { counters }: Batch,
  endMs: number,
): void {
  const month = new Date(endMs).toISOString().slice(0, 7);
  const key = keyOf({ month, profile, issuer });
  const certificates = (devices.get(key)?.certificates ?? 0) + counters.issued;
  devices.set(key, { month, profile, issuer, certificates });
}

function keyOf({ month, profile, issuer }: Pick<DeviceEnds, 'month' | 'profile' | 'issuer'>) {
  return `${month} ${profile} ${issuer}`;
}

async function* all<T>(list: (request: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { items, next } = await list({
      limit: pageItems,
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}
