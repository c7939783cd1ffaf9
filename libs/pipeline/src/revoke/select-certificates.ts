import {
  requestOfSerialNumber,
  serialKeyIdOf,
  serialNumberBytes,
  type Batch,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import type { BatchStore, CertificateStore, OrderStore, Page, PageRequest } from '@certmill/ports';
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

/** Which certificates of a tenant. A device and a key have all that they ever had. */
export type Selection =
  | { readonly by: 'names'; readonly names: readonly CertificateName[] }
  | { readonly by: 'batch'; readonly batchId: string }
  | { readonly by: 'order'; readonly orderId: string }
  | { readonly by: 'issuer'; readonly issuer: string };

export interface SelectionPorts extends CertificateReaderPorts {
  readonly orders: Pick<OrderStore, 'getOrder' | 'listOrders'>;
  readonly batches: Pick<BatchStore, 'getBatch' | 'listBatches'>;
  readonly certificates: Pick<
    CertificateStore,
    'getSegment' | 'findChunk' | 'findByUdid' | 'findByDevice' | 'chunkState'
  >;
  /** By id; look-ups may hold serial keys, they certify nothing. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/** A certificate, or a name or an object under which there is none. */
export type Selected =
  | { readonly certificate: IssuedCertificate; readonly notFound?: never }
  | { readonly notFound: string; readonly certificate?: never };

const pageItems = 500;
const maxPerName = 100;

/**
 * The certificates of a selection, read a chunk at a time. Chunks that have not ended are passed over:
 * what is issued after it was read is not in it. Faults: CONFLICT where an issuer is not known.
 */
export async function* selectCertificates(
  ports: SelectionPorts,
  tenant: TenantId,
  selection: Selection,
): AsyncGenerator<Selected> {
  const reader = new CertificateReader(ports);
  switch (selection.by) {
    case 'names':
      for (const name of selection.names) yield* namedBy(ports, reader, tenant, name);
      return;
    case 'batch': {
      const batch = await ports.batches.getBatch(tenant, selection.batchId);
      if (batch === undefined) yield { notFound: `batch ${selection.batchId}` };
      else yield* ofBatch(ports, reader, batch);
      return;
    }
    case 'order': {
      const order = await ports.orders.getOrder(tenant, selection.orderId);
      if (order === undefined) yield { notFound: `order ${selection.orderId}` };
      else yield* ofOrder(ports, reader, tenant, order.orderId);
      return;
    }
    case 'issuer':
      for await (const order of all((page) => ports.orders.listOrders(tenant, page))) {
        if (order.issuer === selection.issuer) yield* ofOrder(ports, reader, tenant, order.orderId);
      }
  }
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
): AsyncGenerator<Selected> {
  for await (const batch of all((page) => ports.batches.listBatches(tenant, orderId, page))) {
    yield* ofBatch(ports, reader, batch);
  }
}

async function* ofBatch(
  { certificates }: SelectionPorts,
  reader: CertificateReader,
  { tenant, batchId }: Batch,
): AsyncGenerator<Selected> {
  for (let chunkNumber = 0; ; chunkNumber += 1) {
    const chunk = { tenant, batchId, chunkNumber };
    const found = await reader.ofChunk(chunk);
    if (found === undefined && (await certificates.chunkState(chunk)) === undefined) return;
    for (const certificate of found ?? []) yield { certificate };
  }
}

async function* namedBy(
  ports: SelectionPorts,
  reader: CertificateReader,
  tenant: TenantId,
  name: CertificateName,
): AsyncGenerator<Selected> {
  let isFound = false;
  for (const { batchId, index } of await placesOf(ports, tenant, name)) {
    const chunk = await ports.certificates.findChunk(tenant, batchId, index);
    const found = (chunk && (await reader.ofChunk(chunk)))?.find((each) => each.index === index);
    if (found === undefined || !isOf(name, found)) continue;
    isFound = true;
    yield { certificate: found };
  }
  if (!isFound) yield { notFound: nameText(name) };
}

/** A number that another key than ours made leads anywhere. */
function isOf(name: CertificateName, { serialNumber }: IssuedCertificate): boolean {
  return name.by !== 'serialNumber' || Buffer.compare(name.serialNumber, serialNumber) === 0;
}

async function placesOf(
  { certificates, serialKeys }: SelectionPorts,
  tenant: TenantId,
  name: CertificateName,
): Promise<readonly { readonly batchId: string; readonly index: number }[]> {
  switch (name.by) {
    case 'serialNumber': {
      if (name.serialNumber.length !== serialNumberBytes) return [];
      const keyId = serialKeyIdOf(name.serialNumber);
      const key = keyId === undefined ? undefined : serialKeys.get(keyId);
      return key === undefined ? [] : [requestOfSerialNumber(key, name.serialNumber)];
    }
    case 'udid':
      return certificates.findByUdid(tenant, name.udid, maxPerName);
    case 'deviceId':
      return certificates.findByDevice(tenant, name.deviceId, maxPerName);
  }
}

async function* all<T>(list: (request: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const { items, next } = await list({ limit: pageItems, ...from });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}
