import { CertmillError } from '@certmill/domain';
import type { PageRequest } from '@certmill/ports';

export interface PageQuery {
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

const defaultLimit = 100;
const maxLimit = 1_000;

export function pageRequestOf(query: PageQuery): PageRequest {
  const limit = query.limit === undefined ? defaultLimit : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new CertmillError('INVALID_INPUT', `limit must be a whole number from 1 to ${maxLimit}`);
  }
  return { limit, ...(query.cursor === undefined ? {} : { cursor: query.cursor }) };
}

/** Part of a list, as clients see it. */
export interface PageView<Item> {
  readonly items: readonly Item[];
  /** The cursor of the next page; absent on the last. */
  readonly next?: string;
}

export function pageOf<Item>(items: readonly Item[], next?: string): PageView<Item> {
  return { items, ...(next === undefined ? {} : { next }) };
}
