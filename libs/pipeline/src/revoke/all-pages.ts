import type { Page, PageRequest } from '@certmill/ports';

const pageItems = 500;

/** Every item of a listing. */
export async function* allPages<T>(
  list: (request: PageRequest) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const { items, next } = await list({ limit: pageItems, ...from });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}
