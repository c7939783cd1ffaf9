import type { MassOperation, ReissueWork } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import type { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';
import { theOrder } from './operation-order.js';
import { outcomesOf } from './operation-outcomes.js';
import { readChunk } from './read-chunk.js';
import { listedDeviceOf } from './stored-certificate.js';
import { without } from './without.js';

/** Their ids are held in memory while the allow-list is made: some 100 MB. */
export const maxRenewals = 1_000_000;

/** Whoever throws keeps the list from being put in force. */
interface ImportChecks {
  /** Before each chunk. */
  readonly each: () => void;
  /** Behind the last row: a run that hung has an older list. */
  readonly last: () => Promise<void>;
}

/**
 * Opens the order of a renewal for the devices that were submitted so far, and puts its allow-list in force:
 * what the lists before said of them, without their keys. Again it does the same. Faults: as `openOrder`.
 */
export async function openRenewal(
  ports: MassPorts,
  operation: MassOperation,
  frozen: FrozenSelection,
  work: ReissueWork,
  checks: ImportChecks,
): Promise<void> {
  const { tenant, operationId } = operation;
  await theOrder(ports, operation, work);
  await ports.orders.importAllowList(tenant, operationId, rowsOf(ports, operation, frozen, checks));
}

async function* rowsOf(
  ports: MassPorts,
  operation: MassOperation,
  frozen: FrozenSelection,
  { each, last }: ImportChecks,
): AsyncGenerator<AllowListRow> {
  const { tenant } = operation;
  const listed = new Set<string>();
  for await (const { batch: position, chunkNumber, runs } of outcomesOf(ports, operation)) {
    each();
    const submitted = runs.filter(({ outcome }) => outcome === 'submitted');
    const batch = await frozen.at(position);
    if (batch === undefined || submitted.length === 0) continue;
    const { certificates } = await readChunk(ports, tenant, batch, chunkNumber, {});
    const those = certificates.filter(({ index: at }) =>
      submitted.some(({ index, count }) => index <= at && at < index + count),
    );
    const { orderId } = batch;
    const rows = await ports.orders.lookUp(tenant, orderId, those.map(listedDeviceOf));
    for (const [i, { deviceId }] of those.entries()) {
      if (listed.has(deviceId)) continue;
      listed.add(deviceId);
      yield { ...without(rows[i] ?? {}, 'udid'), deviceId };
    }
  }
  await last();
}
