import type { Batch, ChunkRef, TenantId } from '@certmill/domain';
import type {
  BatchStore,
  CertificateStore,
  OcspStore,
  OrderStore,
  TenantStore,
} from '@certmill/ports';
import { allPages } from '../revoke/all-pages.js';

export interface UnsignedChunkPorts {
  readonly tenants: Pick<TenantStore, 'listTenants'>;
  readonly orders: Pick<OrderStore, 'listOrders'>;
  readonly batches: Pick<BatchStore, 'listBatches' | 'getRegistration'>;
  readonly certificates: Pick<CertificateStore, 'chunkState'>;
  readonly responses: Pick<OcspStore, 'listFirstIndexes'>;
}

/**
 * Published chunks under some issuers that have no responses: carried over from elsewhere, published
 * before responses were signed ahead, or lost with what was planned. Looks at every batch.
 */
export async function* findUnsignedChunks(
  ports: UnsignedChunkPorts,
  issuers: ReadonlySet<string>,
): AsyncGenerator<ChunkRef> {
  for await (const batch of batchesUnder(ports, issuers)) {
    const signed = new Set(await ports.responses.listFirstIndexes(batch.batchId));
    yield* publishedOf(ports, batch, signed);
  }
}

async function* batchesUnder(
  ports: Pick<UnsignedChunkPorts, 'tenants' | 'orders' | 'batches'>,
  issuers: ReadonlySet<string>,
): AsyncGenerator<Batch> {
  for await (const tenant of allPages((page) => ports.tenants.listTenants(page))) {
    yield* batchesOf(ports, tenant, issuers);
  }
}

async function* batchesOf(
  { orders, batches }: Pick<UnsignedChunkPorts, 'orders' | 'batches'>,
  tenant: TenantId,
  issuers: ReadonlySet<string>,
): AsyncGenerator<Batch> {
  for await (const { orderId, issuer } of allPages((page) => orders.listOrders(tenant, page))) {
    if (issuers.has(issuer)) {
      yield* allPages((page) => batches.listBatches(tenant, orderId, page));
    }
  }
}

async function* publishedOf(
  { batches, certificates }: Pick<UnsignedChunkPorts, 'batches' | 'certificates'>,
  { tenant, batchId }: Batch,
  without: ReadonlySet<number>,
): AsyncGenerator<ChunkRef> {
  for (let chunkNumber = 0; ; chunkNumber += 1) {
    const chunk = { tenant, batchId, chunkNumber };
    const registration = await batches.getRegistration(chunk);
    if (registration === undefined) return;
    if (without.has(registration.firstIndex)) continue;
    if ((await certificates.chunkState(chunk))?.ended === true) yield chunk;
  }
}
