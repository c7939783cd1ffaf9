import { PartitionProgress, type Progress } from './partition-progress.js';

function takeAll(progress: PartitionProgress, offsets: readonly number[]): Progress[] {
  return offsets.flatMap((offset) => progress.take(offset) ?? []);
}

describe('the progress of a partition', () => {
  it('commits up to the lowest record that is not done, in whatever order they end', () => {
    const progress = new PartitionProgress(0);
    const [a, b, c] = takeAll(progress, [5, 6, 7]);
    expect(progress.committable).toBeUndefined();
    progress.done(b!);
    expect(progress.committable).toBeUndefined();
    progress.done(a!);
    expect(progress.committable).toBe(7);
    progress.done(c!);
    expect(progress.committable).toBe(8);
  });

  it('has nothing to commit twice', () => {
    const progress = new PartitionProgress(0);
    const [a] = takeAll(progress, [0, 1]);
    progress.done(a!);
    progress.committed(1);
    expect(progress.committable).toBeUndefined();
  });

  it('passes over offsets that are not there', () => {
    const progress = new PartitionProgress(0);
    const [a, b] = takeAll(progress, [3, 90]);
    progress.done(a!);
    expect(progress.committable).toBe(90);
    progress.done(b!);
    expect(progress.committable).toBe(91);
  });

  it('takes no record twice, as they come again after a rebalance', () => {
    const progress = new PartitionProgress(0);
    expect(takeAll(progress, [0, 1, 2])).toHaveLength(3);
    expect(takeAll(progress, [1, 2, 3])).toEqual([{ offset: 3, isDone: false }]);
  });

  it('says nothing any more once it is revoked', () => {
    const progress = new PartitionProgress(0);
    const [a] = takeAll(progress, [0]);
    progress.revoke();
    progress.done(a!);
    expect(progress.isRevoked).toBe(true);
    expect(progress.committable).toBeUndefined();
  });

  it('never commits past an unfinished record, whatever is done in whatever order', () => {
    // A walk through many states, the same each time.
    let state = 1;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const progress = new PartitionProgress(0);
    const open: Progress[] = [];
    let next = 0;
    for (let step = 0; step < 5_000; step++) {
      if (open.length === 0 || random(3) === 0) {
        next += 1 + random(2);
        open.push(...takeAll(progress, [next]));
      } else {
        const [done] = open.splice(random(open.length), 1);
        progress.done(done!);
      }
      const { committable } = progress;
      const lowest = open[0]?.offset ?? next + 1;
      if (committable !== undefined) {
        expect(committable).toBe(lowest);
        if (random(4) === 0) progress.committed(committable);
      }
    }
  });
});
