import { CertmillError } from '@certmill/domain';
import type { AdminCalls } from '../client/admin-calls.js';
import { parsePlace } from '../client/record-codec.js';

/** Deletes a record and all before it in its partition; resolves to how many offsets that were. */
export async function deleteUpTo(calls: AdminCalls, topic: string, place: string): Promise<number> {
  const at = parsePlace(place);
  const ends = await calls.call(`the offsets of ${topic}`, (admin) =>
    admin.fetchTopicOffsets(topic),
  );
  const end = ends.find(({ partition }) => partition === at?.partition);
  if (at === undefined || end === undefined || !isWithin(at.offset, end)) {
    throw new CertmillError('NOT_FOUND', `there is no record at ${place} of ${topic}`);
  }
  const until = BigInt(at.offset) + 1n;
  const partitions = [{ partition: at.partition, offset: until.toString() }];
  await calls.call(`the records of ${topic} up to ${place}`, async (admin) => {
    // Deleting needs to know the leaders.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions });
  });
  return Number(until - BigInt(end.low));
}

function isWithin(
  offset: string,
  { low, high }: { readonly low: string; readonly high: string },
): boolean {
  return BigInt(offset) >= BigInt(low) && BigInt(offset) < BigInt(high);
}
