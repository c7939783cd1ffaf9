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

/** The place after which the page starts, '' for the first. Faults: INVALID_INPUT. */
export function cursorPlace(request: PageRequest): string {
  const { cursor } = request;
  if (cursor === undefined) return '';
  const place = Buffer.from(cursor, 'base64url').toString();
  if (place === '' || Buffer.from(place).toString('base64url') !== cursor) {
    throw new CertmillError('INVALID_INPUT', 'the cursor is not one that a page gave out');
  }
  return place;
}

/** As `cursorPlace`, for places that are sequence numbers; undefined for the first page. */
export function cursorSeq(request: PageRequest): number | undefined {
  const place = cursorPlace(request);
  if (place === '') return undefined;
  if (!/^\d{1,15}$/.test(place)) {
    throw new CertmillError('INVALID_INPUT', 'the cursor is not one that a page gave out');
  }
  return Number(place);
}

/** As `cursorPlace`, for places `<name>/<version>`; before all of them for the first page. */
export function cursorNameAndVersion(request: PageRequest): [name: string, version: number] {
  const place = cursorPlace(request);
  if (place === '') return ['', 0];
  const [, name, version] = /^([^/]+)\/(\d{1,15})$/.exec(place) ?? [];
  if (name === undefined) {
    throw new CertmillError('INVALID_INPUT', 'the cursor is not one that a page gave out');
  }
  return [name, Number(version)];
}

/** The page out of up to `limit + 1` rows; the one too many says that there is a next page. */
export function pageOf<R, T>(
  rows: readonly R[],
  limit: number,
  itemOf: (row: R) => T,
  placeOf: (row: R) => string,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(itemOf);
  return rows.length > limit && last !== undefined
    ? { items, next: Buffer.from(placeOf(last)).toString('base64url') }
    : { items };
}
