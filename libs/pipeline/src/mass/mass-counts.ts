import type { MassCounts } from '@certmill/domain';
import type { MassChunk } from './read-chunk.js';

export function sumOf(counts: MassCounts, more: Partial<MassCounts>): MassCounts {
  const sum: Record<string, number> = { ...counts };
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
  return sum as unknown as MassCounts;
}

/** What every step counts, whatever the work. */
export function lookedAtIn({ requests, pending, certificates }: MassChunk): Partial<MassCounts> {
  return { lookedAt: requests, pending, selected: certificates.length };
}
