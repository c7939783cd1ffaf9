import { ListingKeys, listingKeyPattern } from './listing-keys.js';

test('listing keys sort as they were made, also where the clock stands still or goes back', () => {
  const times = [5, 5, 5, 4, 6, 6, 1_000, 999, Date.UTC(2026, 0, 1)];
  const keys = new ListingKeys({ nowMs: () => times.shift() ?? 0 });
  const made = Array.from({ length: 9 }, () => keys.next());
  expect(made.toSorted()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
  for (const key of made) expect(key).toMatch(listingKeyPattern);
});

test('keys of two processes are never the same', () => {
  const clock = { nowMs: () => 7 };
  expect(new ListingKeys(clock).next()).not.toBe(new ListingKeys(clock).next());
});
