import type { ReleaseCall, DecideCall, WriteCall } from './call-queue.js';
import { judge, type IsReplaceable, type Judgement } from './judge.js';
import type { ShardView } from './shard-view.js';

/** A call that is to be part of an entry, in the order of its items. */
export type JudgedCall =
  { readonly call: DecideCall; readonly judgement: Judgement } | { readonly call: ReleaseCall };

export interface JudgedGroup {
  readonly toWrite: readonly JudgedCall[];
  /** Decided before, or with nothing left to release. */
  readonly settled: readonly WriteCall[];
}

/** What the entry `seq` would hold for these calls. Leaves in the view what its fold will. */
export function judgeGroup(
  view: ShardView,
  seq: number,
  group: readonly WriteCall[],
  isReplaceable: IsReplaceable = () => false,
): JudgedGroup {
  const toWrite: JudgedCall[] = [];
  const settled: WriteCall[] = [];
  let start = 0;
  for (const call of group) {
    if (call.kind === 'release') {
      if (view.release(call.item) > 0) toWrite.push({ call });
      else settled.push(call);
    } else if (view.decidedAt(call.candidate.decision.chunk) !== undefined) {
      settled.push(call);
    } else {
      toWrite.push({ call, judgement: judge(view, call.candidate, seq, start, isReplaceable) });
      start += call.candidate.decision.codes.length;
    }
  }
  return { toWrite, settled };
}
