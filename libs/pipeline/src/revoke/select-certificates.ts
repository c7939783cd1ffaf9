import {
  CertmillError,
  requestOfSerialNumber,
  serialKeyIdOf,
  serialNumberBytes,
  type Batch,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import type {
  AllowListQuery,
  BatchStore,
  CertificateStore,
  OrderStore,
  RequestPlace,
} from '@certmill/ports';
import { allPages } from './all-pages.js';
import type { PendingRequests } from './pending-requests.js';
import {
  CertificateReader,
  type CertificateReaderPorts,
  type IssuedCertificate,
} from './read-certificates.js';

/** What certificates are named by in a list. */
export type CertificateName =
  | { readonly by: 'serialNumber'; readonly serialNumber: Uint8Array }
  | { readonly by: 'udid'; readonly udid: Uint8Array }
  | { readonly by: 'deviceId'; readonly deviceId: string };

/** Which certificates. A device and a key have all that they ever had, however many. */
export type Selection =
  | { readonly by: 'names'; readonly names: readonly CertificateName[] }
  | { readonly by: 'batch'; readonly batchId: string }
  | { readonly by: 'order'; readonly orderId: string }
  | { readonly by: 'issuer'; readonly issuer: string };

export interface SelectionPorts extends CertificateReaderPorts {
  readonly orders: Pick<OrderStore, 'getOrder' | 'listOrders'>;
  readonly batches: Pick<BatchStore, 'getBatch' | 'listBatches' | 'getRegistration'>;
  readonly certificates: Pick<
    CertificateStore,
    'getSegment' | 'findChunk' | 'placesOf' | 'chunkState'
  >;
  /** By id; look-ups may hold serial keys, they certify nothing. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/** A certificate, or a name or an object under which there is none. */
export type Selected =
  | { readonly certificate: IssuedCertificate; readonly notFound?: never }
  | { readonly notFound: string; readonly certificate?: never };

/** One look at a selection. */
export interface Look {
  /** Takes what is selected and has not ended. */
  readonly pending: PendingRequests;
  /** Takes the named requests that are found. */
  readonly found?: FoundRequests;
  /**
   * What a look ahead of the change has found: what had ended then is passed over, what has ended since is selected,
   * and what is new is pending.
   */
  readonly before?: ReadonlyFoundRequests;
}

/** Requests that are judged, by place, and whether they had ended. */
export type FoundRequests = Map<string, 'ended' | 'on-its-way'>;
type ReadonlyFoundRequests = ReadonlyMap<string, 'ended' | 'on-its-way'>;

/** Most have one; where there are as many as asked for, it is asked for more. */
const firstPerName = 100;
/** Beside a device id it is not looked at. */
const noUdid = new Uint8Array(32);

/**
 * The certificates of a selection, read a chunk at a time, in the tenants given. Each chunk is looked at once:
 * it has ended, and its certificates are selected, or it has not, and its requests are pending. So what was
 * accepted before the call is one or the other; what is accepted later is neither. Faults: CONFLICT where
 * several of the tenants have an order, a batch or a device of that name.
 */
export async function* selectCertificates(
  ports: SelectionPorts,
  tenants: readonly TenantId[],
  selection: Selection,
  look: Look,
): AsyncGenerator<Selected> {
  const reader = new CertificateReader(ports);
  switch (selection.by) {
    case 'names':
      for (const name of selection.names) yield* namedBy(ports, reader, tenants, name, look);
      return;
    case 'batch': {
      const { batchId } = selection;
      const batch = await onlyOne(tenants, 'batch', batchId, (tenant) =>
        ports.batches.getBatch(tenant, batchId),
      );
      if (batch === undefined) yield { notFound: `batch ${batchId}` };
      else yield* ofBatch(ports, reader, batch, look);
      return;
    }
    case 'order': {
      const { orderId } = selection;
      const order = await onlyOne(tenants, 'order', orderId, (tenant) =>
        ports.orders.getOrder(tenant, orderId),
      );
      if (order === undefined) yield { notFound: `order ${orderId}` };
      else yield* ofOrder(ports, reader, order.tenant, orderId, look);
      return;
    }
    case 'issuer': {
      const { issuer } = selection;
      let hasOrders = false;
      for (const tenant of tenants) {
        for await (const order of allPages((page) => ports.orders.listOrders(tenant, page))) {
          if (order.issuer !== issuer) continue;
          hasOrders = true;
          yield* ofOrder(ports, reader, tenant, order.orderId, look);
        }
      }
      if (!hasOrders) yield { notFound: `orders of issuer ${issuer}` };
    }
  }
}

/** What one of the tenants has by a name. Faults: CONFLICT where several do. */
async function onlyOne<T>(
  tenants: readonly TenantId[],
  what: string,
  name: string,
  find: (tenant: TenantId) => Promise<T | undefined>,
): Promise<T | undefined> {
  let only: T | undefined;
  for (const tenant of tenants) {
    const found = await find(tenant);
    if (found === undefined) continue;
    if (only !== undefined) {
      throw new CertmillError('CONFLICT', `several tenants have a ${what} '${name}': say which`);
    }
    only = found;
  }
  return only;
}

/** A name for people and for the audit trail. */
export function nameText(name: CertificateName): string {
  switch (name.by) {
    case 'serialNumber':
      return Buffer.from(name.serialNumber).toString('hex');
    case 'udid':
      return Buffer.from(name.udid).toString('hex');
    case 'deviceId':
      return name.deviceId;
  }
}

async function* ofOrder(
  ports: SelectionPorts,
  reader: CertificateReader,
  tenant: TenantId,
  orderId: string,
  look: Look,
): AsyncGenerator<Selected> {
  for await (const batch of allPages((page) => ports.batches.listBatches(tenant, orderId, page))) {
    yield* ofBatch(ports, reader, batch, look);
  }
}

async function* ofBatch(
  { batches, certificates }: SelectionPorts,
  reader: CertificateReader,
  { tenant, batchId }: Batch,
  { pending }: Look,
): AsyncGenerator<Selected> {
  for (let chunkNumber = 0; ; chunkNumber += 1) {
    const chunk = { tenant, batchId, chunkNumber };
    let found = await reader.ofChunk(chunk);
    if (found === undefined) {
      const state = await certificates.chunkState(chunk);
      if (state === undefined) return;
      // It ended between the two looks at it.
      if (state.ended) found = await reader.ofChunk(chunk);
      // One that is not durable was not accepted yet, or is none of its batch.
      else if (state.durable) {
        const requests = (await batches.getRegistration(chunk))?.count ?? 0;
        pending.addChunk(chunk, requests, `batch ${batchId}`);
      }
    }
    for (const certificate of found ?? []) yield { certificate };
  }
}

async function* namedBy(
  ports: SelectionPorts,
  reader: CertificateReader,
  tenants: readonly TenantId[],
  name: CertificateName,
  look: Look,
): AsyncGenerator<Selected> {
  const found = await onlyOne(tenants, name.by, nameText(name), async (tenant) => {
    const requests = await requestsNamed(ports, reader, tenant, name, look);
    return requests.certificates.length + requests.pending.length === 0
      ? undefined
      : { tenant, ...requests };
  });
  if (found === undefined) {
    yield { notFound: nameText(name) };
    return;
  }
  for (const place of found.pending) look.pending.addPlace(found.tenant, place, nameText(name));
  for (const certificate of found.certificates) yield { certificate };
}

interface NamedRequests {
  readonly certificates: readonly IssuedCertificate[];
  readonly pending: readonly RequestPlace[];
}

async function requestsNamed(
  ports: SelectionPorts,
  reader: CertificateReader,
  tenant: TenantId,
  name: CertificateName,
  { found, before }: Look,
): Promise<NamedRequests> {
  const certificates: IssuedCertificate[] = [];
  const pending: RequestPlace[] = [];
  for (const place of await placesOf(ports, tenant, name)) {
    const { batchId, chunkNumber, index } = place;
    const key = `${tenant}/${batchId}/${String(index)}`;
    const known = before?.get(key);
    if (known === 'ended') continue;
    const issued = await reader.ofChunk({ tenant, batchId, chunkNumber });
    found?.set(key, issued === undefined ? 'on-its-way' : 'ended');
    if (issued === undefined) {
      // Nobody has the number of a certificate that is not issued: a number that leads there is made up.
      if (name.by !== 'serialNumber') pending.push(place);
      continue;
    }
    const certificate = issued.find((each) => each.index === index);
    if (certificate === undefined || !isOf(name, certificate)) continue;
    if (before !== undefined && known === undefined) pending.push(place);
    else certificates.push(certificate);
  }
  return { certificates, pending };
}

/** A number that another key than ours made leads anywhere. */
function isOf(name: CertificateName, { serialNumber }: IssuedCertificate): boolean {
  return name.by !== 'serialNumber' || Buffer.compare(name.serialNumber, serialNumber) === 0;
}

async function placesOf(
  { certificates, serialKeys }: SelectionPorts,
  tenant: TenantId,
  name: CertificateName,
): Promise<readonly RequestPlace[]> {
  const all = (device: AllowListQuery) =>
    allOf(async (limit) => (await certificates.placesOf(tenant, [device], limit))[0] ?? []);
  switch (name.by) {
    case 'serialNumber': {
      if (name.serialNumber.length !== serialNumberBytes) return [];
      const keyId = serialKeyIdOf(name.serialNumber);
      const key = keyId === undefined ? undefined : serialKeys.get(keyId);
      if (key === undefined) return [];
      const { batchId, index } = requestOfSerialNumber(key, name.serialNumber);
      const chunk = await certificates.findChunk(tenant, batchId, index);
      return chunk === undefined ? [] : [{ batchId, chunkNumber: chunk.chunkNumber, index }];
    }
    case 'udid':
      return all({ udid: name.udid });
    case 'deviceId':
      return all({ deviceId: name.deviceId, udid: noUdid });
  }
}

/** All of what is found newest first, up to a limit. */
async function allOf<T>(find: (limit: number) => Promise<readonly T[]>): Promise<readonly T[]> {
  for (let limit = firstPerName; ; limit *= 16) {
    const found = await find(limit);
    if (found.length < limit) return found;
  }
}
