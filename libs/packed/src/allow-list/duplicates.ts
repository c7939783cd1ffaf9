import { CertmillError } from '@certmill/domain';
import type { IdIndex } from './id-index.js';
import { decodeRow } from './row-codec.js';
import type { RowPages } from './row-pages.js';

const bucketsPerTurn = 16_384;

/**
 * Refuses a list on which an id is twice, naming the first row that repeats an earlier one. Rows
 * are read only where two keys of a bucket look alike and would move that row further to the front.
 * Faults: INVALID_INPUT.
 */
export async function refuseDuplicates(
  index: IdIndex,
  rows: RowPages,
  kind: 'device id' | 'UDID',
  pause: () => Promise<void>,
): Promise<void> {
  const { starts, fingerprints, locations } = index;
  let earlier = -1;
  let repeated = Infinity;
  const idAt = (location: number): string | undefined => {
    const row = decodeRow(rows.bytes, rows.rowAt(location));
    return kind === 'UDID' ? row.udid : row.deviceId;
  };
  for (let bucket = 0; bucket + 1 < starts.length; bucket += 1) {
    const end = starts[bucket + 1] as number;
    for (let one = starts[bucket] as number; one < end; one += 1) {
      for (let other = one + 1; other < end; other += 1) {
        if (fingerprints[one] !== fingerprints[other]) continue;
        const location = locations[other] as number;
        if (location < repeated && idAt(locations[one] as number) === idAt(location)) {
          earlier = locations[one] as number;
          repeated = location;
        }
      }
    }
    if (bucket % bucketsPerTurn === bucketsPerTurn - 1) await pause();
  }
  if (earlier < 0) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `row ${String(rows.rowNumberAt(repeated))}: ${kind} '${String(idAt(repeated))}' is on ` +
      `row ${String(rows.rowNumberAt(earlier))} already`,
  );
}
