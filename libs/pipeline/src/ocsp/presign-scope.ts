import {
  requestOfSerialNumber,
  serialKeyIdOf,
  type BatchId,
  type ChunkRef,
  type SerialKey,
} from '@certmill/domain';
import type {
  BatchStore,
  CertificateStore,
  CrlScope,
  OcspStore,
  RevocationStore,
} from '@certmill/ports';
import { listScope } from '../crl/list-scope.js';

export interface PresignScopePorts {
  readonly revocations: Pick<
    RevocationStore,
    'countChanges' | 'countPresigned' | 'listRevoked' | 'notePresigned'
  >;
  readonly responses: Pick<OcspStore, 'settle'>;
  readonly batches: Pick<BatchStore, 'findTenant' | 'getRegistration'>;
  readonly certificates: Pick<CertificateStore, 'findChunk'>;
  /** By id. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/** Chunks at once. */
const chunksAtOnce = 4;

/**
 * Has every chunk of a scope in which something changed signed ahead, and notes then how many changes that
 * were: what is killed in between does it again. What needs no signing is for `presign` to say.
 * Faults: the ports' and those of `presign`; then nothing is noted.
 */
export async function presignScope(
  ports: PresignScopePorts,
  scope: CrlScope,
  presign: (chunk: ChunkRef) => Promise<unknown>,
): Promise<void> {
  const { revocations } = ports;
  // Before the rows are read: what changes meanwhile is the next call's.
  const changes = await revocations.countChanges(scope);
  const noted = await revocations.countPresigned(scope);
  // A store that was restored may have fewer than it had.
  const since = noted > changes ? 0 : noted;
  let waiting: ChunkRef[] = [];
  const flush = async (): Promise<void> => {
    await Promise.all(waiting.map(presign));
    waiting = [];
  };
  for (const [batchId, indexes] of await changedIndexes(ports, scope, since)) {
    for await (const chunk of chunksOf(ports, batchId, indexes)) {
      if (waiting.push(chunk) === chunksAtOnce) await flush();
    }
  }
  await flush();
  // Noted is noted for good: responses that are lost afterwards would tell of no revocation until their time.
  await ports.responses.settle();
  await revocations.notePresigned(scope, changes);
}

/** Requests whose certificates changed, by batch: their serial numbers lead back to them. */
async function changedIndexes(
  { revocations, serialKeys }: PresignScopePorts,
  scope: CrlScope,
  changedSince: number,
): Promise<ReadonlyMap<BatchId, readonly number[]>> {
  const indexes = new Map<BatchId, number[]>();
  for await (const page of listScope(revocations, scope, { changedSince })) {
    for (const { serialNumber } of page) {
      const serialKey = serialKeys.get(serialKeyIdOf(serialNumber) ?? 0);
      if (serialKey === undefined) continue;
      const { batchId, index } = requestOfSerialNumber(serialKey, serialNumber);
      const known = indexes.get(batchId);
      if (known === undefined) indexes.set(batchId, [index]);
      else known.push(index);
    }
  }
  return indexes;
}

/** The chunks that hold the indexes, each once. */
async function* chunksOf(
  { batches, certificates }: PresignScopePorts,
  batchId: BatchId,
  indexes: readonly number[],
): AsyncGenerator<ChunkRef> {
  const tenant = await batches.findTenant(batchId);
  if (tenant === undefined) return;
  let end = 0;
  for (const index of indexes.toSorted((one, other) => one - other)) {
    if (index < end) continue;
    const chunk = await certificates.findChunk(tenant, batchId, index);
    const registration = chunk && (await batches.getRegistration(chunk));
    if (chunk === undefined || registration === undefined) continue;
    end = registration.firstIndex + registration.count;
    yield chunk;
  }
}
