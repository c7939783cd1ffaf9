import type { Page, PageRequest } from '@certmill/ports';

const itemsAtOnce = 500;

/** Everything of a page-wise listing. */
export async function* allOf<T>(list: (page: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { items, next } = await list({
      limit: itemsAtOnce,
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}
