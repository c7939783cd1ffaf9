import { CertmillError } from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';

const maxPageItems = 1_000;

/** How many items a page may have. */
export function pageLimit(request: PageRequest): number {
  if (!Number.isInteger(request.limit) || request.limit < 1) {
    throw new CertmillError('INVALID_INPUT', 'the limit of a page is a whole number from 1');
  }
  return Math.min(request.limit, maxPageItems);
}

/**
 * The place after which the page starts, undefined for the first.
 * @param pattern What places of this listing look like. Faults: INVALID_INPUT.
 */
export function cursorPlace({ cursor }: PageRequest, pattern: RegExp): string | undefined {
  if (cursor === undefined) return undefined;
  const place = Buffer.from(cursor, 'base64url').toString();
  if (!pattern.test(place) || Buffer.from(place).toString('base64url') !== cursor) {
    throw new CertmillError('INVALID_INPUT', 'the cursor is not one that a page gave out');
  }
  return place;
}

/** The page out of up to `limit + 1` entries; the one too many says that there is a next page. */
export function pageOf<R, T>(
  entries: readonly R[],
  limit: number,
  itemOf: (entry: R) => T,
  placeOf: (entry: R) => string,
): Page<T> {
  const shown = entries.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(itemOf);
  return entries.length > limit && last !== undefined
    ? { items, next: Buffer.from(placeOf(last)).toString('base64url') }
    : { items };
}
