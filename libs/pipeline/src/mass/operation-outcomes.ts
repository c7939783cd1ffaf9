import type { ChunkOutcome, ChunkPlace, MassOperation } from '@certmill/domain';
import type { MassPorts } from './mass-ports.js';

const outcomesAtOnce = 500;

/** What became of an operation's chunks, behind one where it is given; pending ones alone where it is asked for. */
export async function* outcomesOf(
  { operations }: Pick<MassPorts, 'operations'>,
  operation: Pick<MassOperation, 'tenant' | 'operationId'>,
  { isPending, from }: { readonly isPending?: true; readonly from?: ChunkPlace | undefined } = {},
): AsyncGenerator<ChunkOutcome> {
  const which = { limit: outcomesAtOnce, ...(isPending === undefined ? {} : { isPending }) };
  let after = from;
  for (;;) {
    const place = after === undefined ? {} : { after };
    const outcomes = await operations.listOutcomes(operation, { ...which, ...place });
    yield* outcomes;
    after = outcomes.at(-1);
    if (outcomes.length < outcomesAtOnce) return;
  }
}
