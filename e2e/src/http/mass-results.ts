import { massOperationSchema, massResultSchema } from '@certmill/platform';

type Get = (path: string) => Promise<Response>;

export type MassResult = ReturnType<typeof massResultSchema.parse>;

/** What became of each certificate of an operation, page by page. */
export async function resultsOf(
  get: Get,
  name: string,
  { query = '', limit = 1_000 }: { query?: string; limit?: number } = {},
): Promise<readonly MassResult[]> {
  const results: MassResult[] = [];
  let cursor = '';
  do {
    const path = `/v1/operations/${name}/results?limit=${String(limit)}${query}${cursor}`;
    const answer = await get(path);
    const page = (await answer.json()) as { items: readonly unknown[]; next?: string };
    results.push(...page.items.map((item) => massResultSchema.parse(item)));
    cursor = page.next === undefined ? '' : `&cursor=${page.next}`;
  } while (cursor !== '');
  return results;
}

/**
 * How many results there are of each outcome, where they are what the counts of the operation say, and each
 * certificate is told once.
 */
export async function accountOf(get: Get, name: string): Promise<Readonly<Record<string, number>>> {
  const results = await resultsOf(get, name);
  const answer = await get(`/v1/operations/${name}`);
  const { counts } = massOperationSchema.parse(await answer.json());
  const told: Record<string, number> = {};
  for (const { outcome } of results) told[outcome] = (told[outcome] ?? 0) + 1;
  const of = (...names: readonly string[]): number =>
    names.reduce((sum, each) => sum + (told[each] ?? 0), 0);
  const { changed, unchanged, refused, skipped, submitted, selected, pending } = counts;
  const uploaded = of('submitted', 'issued', 'rejected');
  expect([of('changed'), of('unchanged'), of('refused'), of('skipped'), uploaded]).toEqual([
    changed,
    unchanged,
    refused,
    skipped,
    submitted,
  ]);
  expect(changed + unchanged + refused + skipped + submitted).toBe(selected);
  expect(of('pending')).toBe(pending);
  expect(new Set(results.map((each) => `${each.batchId} ${String(each.index)}`)).size).toBe(
    results.length,
  );
  return told;
}
