import { CertmillError, type FrozenBatch, type MassOperation } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import type { MassPorts } from './mass-ports.js';
import { readChunk } from './read-chunk.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';
import { without } from './without.js';
import { reissuable, theOrder, type ReissueWork } from './reissue-chunk.js';

/** Their ids are held in memory while the allow-list is made: some 100 MB. */
export const maxRenewals = 1_000_000;

/**
 * Of the certificates those whose devices may renew. A device that is known by its key alone cannot: with
 * another key it is another device.
 */
export async function renewable(
  ports: Pick<MassPorts, 'certificates'>,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<readonly StoredCertificate[]> {
  const named = certificates.filter(({ deviceId }) => deviceId !== '');
  return reissuable(ports, named, nowMs);
}

/**
 * Opens the order of a renewal for the devices of the frozen selection, and puts its allow-list in force:
 * what the lists before said of them, without their keys. Again it does the same. Faults: as `openOrder`.
 */
export async function openRenewal(
  ports: MassPorts,
  operation: MassOperation,
  frozen: AsyncIterable<FrozenBatch>,
  work: ReissueWork,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, operationId, counts } = operation;
  // The allow-list of none is no list.
  if (counts.submitted === 0) return;
  await theOrder(ports, operation, work);
  await ports.orders.importAllowList(tenant, operationId, rowsOf(ports, operation, frozen, signal));
}

async function* rowsOf(
  ports: MassPorts,
  { tenant, selection }: MassOperation,
  frozen: AsyncIterable<FrozenBatch>,
  signal: AbortSignal,
): AsyncGenerator<AllowListRow> {
  const listed = new Set<string>();
  for await (const batch of frozen) {
    let isLast = false;
    for (let chunkNumber = 0; !isLast; chunkNumber += 1) {
      if (signal.aborted) {
        throw new CertmillError('FAULT_STOPPING', 'the process stops; the operation goes on later');
      }
      const chunk = await readChunk(ports, tenant, batch, chunkNumber, selection);
      ({ isLast } = chunk);
      const certificates = await renewable(ports, chunk.certificates, ports.clock.nowMs());
      const rows = await ports.orders.lookUp(tenant, batch.orderId, certificates.map(deviceOf));
      for (const [i, { deviceId }] of certificates.entries()) {
        if (listed.has(deviceId)) continue;
        listed.add(deviceId);
        yield { ...without(rows[i] ?? {}, 'udid'), deviceId };
      }
    }
  }
}
