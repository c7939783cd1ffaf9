import { PendingRecords, type Lane, type PendingRecord } from './pending-records.js';

function pending(
  topic: string,
  name: string,
  overrides: Partial<PendingRecord> = {},
): PendingRecord {
  const record = { headers: {}, key: name, value: Buffer.alloc(0) };
  const ignore = (): void => undefined;
  return {
    topic,
    partition: 0,
    record,
    bytes: 10,
    isAlone: false,
    resolve: ignore,
    reject: ignore,
    ...overrides,
  };
}

function keysOf(batch: readonly PendingRecord[]): (string | undefined)[] {
  return batch.map(({ record }) => record?.key);
}

const all = (): boolean => true;

describe('pending records', () => {
  it('make batches of one topic each, within the bounds, and the topics take turns', () => {
    const records = new PendingRecords({ maxBytes: 25, maxRecords: 10 });
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) records.push(pending('a', name));
    records.push(pending('b', 'b1'));
    const batches = Array.from({ length: 5 }, () => keysOf(records.take(all)));
    expect(batches).toEqual([['a1', 'a2'], ['b1'], ['a3', 'a4'], ['a5'], []]);
  });

  it('send a record over the bound alone', () => {
    const records = new PendingRecords({ maxBytes: 25, maxRecords: 10 });
    records.push(pending('a', 'large', { bytes: 1_000 }));
    records.push(pending('a', 'small'));
    expect([keysOf(records.take(all)), keysOf(records.take(all))]).toEqual([['large'], ['small']]);
  });

  it('are bounded in number', () => {
    const records = new PendingRecords({ maxBytes: 1_000, maxRecords: 2 });
    for (const name of ['a1', 'a2', 'a3']) records.push(pending('a', name));
    expect(keysOf(records.take(all))).toEqual(['a1', 'a2']);
  });

  it('keep one whose place is asked for apart', () => {
    const records = new PendingRecords({ maxBytes: 1_000, maxRecords: 10 });
    records.push(pending('a', 'a1'));
    records.push(pending('a', 'alone', { isAlone: true }));
    records.push(pending('a', 'a2'));
    const batches = Array.from({ length: 3 }, () => keysOf(records.take(all)));
    expect(batches).toEqual([['a1'], ['alone'], ['a2']]);
  });

  it('are not sent while their topic is held, and come first when they were put back', () => {
    const records = new PendingRecords({ maxBytes: 25, maxRecords: 10 });
    for (const name of ['a1', 'a2', 'a3']) records.push(pending('a', name));
    records.push(pending('b', 'b1'));
    const failed = records.take(all);
    records.putBack(failed);
    const held = ({ topic }: Lane): boolean => topic !== 'a';
    expect([keysOf(records.take(held)), keysOf(records.take(held))]).toEqual([['b1'], []]);
    expect(keysOf(records.take(all))).toEqual(['a1', 'a2']);
  });

  it('are not sent any more once they are answered', () => {
    const records = new PendingRecords({ maxBytes: 1_000, maxRecords: 10 });
    const late = pending('a', 'late');
    records.push(late);
    records.push(pending('a', 'a2'));
    late.record = undefined;
    expect(keysOf(records.take(all))).toEqual(['a2']);
  });

  it('of one partition that is held do not hold up the others of its topic', () => {
    const records = new PendingRecords({ maxBytes: 1_000, maxRecords: 10 });
    for (const [i, name] of ['a0', 'a1', 'b0', 'b1'].entries()) {
      records.push(pending('a', name, { partition: i % 2 }));
    }
    const isZero = ({ partition }: Lane): boolean => partition === 0;
    expect(keysOf(records.take(isZero))).toEqual(['a0', 'b0']);
    records.push(pending('a', 'c0'));
    expect([keysOf(records.takeOfOne(all)), keysOf(records.takeOfOne(all))]).toEqual([
      ['a1', 'b1'],
      ['c0'],
    ]);
  });

  it('of many partitions take turns where a batch has no room for all', () => {
    const records = new PendingRecords({ maxBytes: 20, maxRecords: 10 });
    for (const [i, name] of ['a0', 'a1', 'a2', 'b0', 'b1', 'b2'].entries()) {
      records.push(pending('a', name, { partition: i % 3 }));
    }
    const batches = Array.from({ length: 3 }, () => keysOf(records.take(all)));
    expect(batches).toEqual([
      ['a0', 'a1'],
      ['a2', 'b0'],
      ['b1', 'b2'],
    ]);
  });
});
