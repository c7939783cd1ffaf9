import type { KafkaMessage } from 'kafkajs';
import { readRange, type RangeSource } from './fetch-records.js';

function messageAt(offset: number): KafkaMessage {
  return {
    key: null,
    value: Buffer.alloc(0),
    timestamp: '0',
    attributes: 0,
    offset: String(offset),
    headers: {},
  };
}

/** A partition with batches of four, of which all below `low` is deleted, as a broker tells it. */
class Partition implements RangeSource {
  low = 0;
  end: number;
  fetches = 0;
  onFetch: (count: number) => void = () => undefined;

  constructor(end: number) {
    this.end = end;
  }

  fetch = (_partition: number, offset: number): Promise<readonly KafkaMessage[]> => {
    this.onFetch(++this.fetches);
    if (offset < this.low) {
      const refused = Object.assign(new Error('refused'), { type: 'OFFSET_OUT_OF_RANGE' });
      return Promise.reject(refused);
    }
    const start = offset - (offset % 4);
    const batch = [0, 1, 2, 3].map((i) => start + i);
    return Promise.resolve(batch.filter((each) => each < this.end).map(messageAt));
  };

  lowOf = (): Promise<number> => Promise.resolve(this.low);
}

async function read(source: RangeSource, from: number, to: number): Promise<number[]> {
  const offsets: number[] = [];
  await readRange(source, { partition: 0, from, to }, ({ offset }) => offsets.push(Number(offset)));
  return offsets;
}

describe('a range', () => {
  it('is read from within a batch up to within another', async () => {
    expect(await read(new Partition(20), 2, 10)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('goes on where the topic begins now, if it was deleted meanwhile', async () => {
    const partition = new Partition(20);
    partition.onFetch = (count) => {
      if (count === 2) partition.low = 9;
    };
    expect(await read(partition, 0, 11)).toEqual([0, 1, 2, 3, 9, 10]);
    partition.low = 20;
    expect(await read(partition, 0, 11)).toEqual([]);
  });

  it('fails where the brokers bring nothing of what is there', async () => {
    await expect(read(new Partition(6), 0, 10)).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  });
});
