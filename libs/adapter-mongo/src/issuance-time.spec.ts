import { CertmillError } from '@certmill/domain';
import type { Documents } from './connection/documents.js';
import { IssuanceTime } from './issuance-time.js';
import type { IssuanceTimeDocument } from './meta.js';

/** The one document, as another process left it. */
function documentAt(atMs: number): Documents<IssuanceTimeDocument> {
  let latest = atMs;
  const updateAndGet = (_: unknown, { $max }: { readonly $max: { readonly atMs: number } }) => {
    latest = Math.max(latest, $max.atMs);
    return Promise.resolve({ atMs: latest });
  };
  return { updateAndGet } as unknown as Documents<IssuanceTimeDocument>;
}

describe('the latest time that was pinned', () => {
  it('is told to whoever pins an earlier one', async () => {
    const known: number[] = [];
    const time = new IssuanceTime(documentAt(500), (atMs) => known.push(atMs));
    await time.pin(100);
    await time.pin(600);
    expect(known).toEqual([500, 600]);
  });

  it('refuses the pin where its clock is too far behind', async () => {
    const time = new IssuanceTime(documentAt(500), () => {
      throw new CertmillError('FAULT_CLOCK_BACKWARDS', 'behind');
    });
    await expect(time.pin(100)).rejects.toMatchObject({ code: 'FAULT_CLOCK_BACKWARDS' });
  });
});
