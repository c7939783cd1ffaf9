import { RevokedEntries } from '@certmill/der';
import { crlTask } from './crl-task.js';

function timeoutsOf(entries: number): number {
  return crlTask('bulk', {
    scope: { issuer: 'device-ca', shard: 0 },
    crlNumber: 1n,
    thisUpdateMs: 0,
    nextUpdateMs: 1_000,
    hasDeltas: false,
    entries: new Uint8Array(entries * RevokedEntries.octetsPerEntry),
  }).timeouts;
}

describe('the time that a CRL may take', () => {
  it('is that of a chunk, and once more for each million of entries: a hung slot is found by it', () => {
    const entry = { serialNumber: Uint8Array.of(1), revocationSeconds: 1, reason: 1 };
    const one = RevokedEntries.empty();
    one.add(entry);
    expect(one.bytes).toHaveLength(RevokedEntries.octetsPerEntry);
    expect([0, 1, 999_999, 1_000_000, 2_500_000].map(timeoutsOf)).toEqual([1, 1, 1, 2, 3]);
  });
});
