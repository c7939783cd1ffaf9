import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import type { AdminCalls } from '../client/admin-calls.js';
import { readRanges } from '../client/fetch-records.js';
import { isFenced } from '../client/kafka-fault.js';
import type { KafkaConnectionOptions } from '../client/kafka-options.js';
import { withCluster } from '../client/with-cluster.js';
import { groupIdOf } from './group-lag.js';

/** Where what is kept of a partition begins and ends. */
interface Kept {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Shows all that is kept of a topic, then lets a group without members go on behind it; what
 * `onRecord` appends is behind it too. Resolves to the number of records that were shown.
 */
export async function passOver(
  calls: AdminCalls,
  options: KafkaConnectionOptions,
  { topic, group }: { readonly topic: string; readonly group: string },
  onRecord: (record: DeliveredRecord) => Promise<void>,
): Promise<number> {
  const kept = await calls.call(`the offsets of ${topic}`, async (admin): Promise<Kept[]> => {
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.map(({ partition, low, high }) => {
      return { partition, from: Number(low), to: Number(high) };
    });
  });
  let shown = 0;
  await readRanges(options, topic, kept, (record) => {
    shown += 1;
    return onRecord(record);
  });
  await commitWithoutMembers(options, { topic, group }, kept);
  return shown;
}

/**
 * A commit by no member. kafkajs' own `setOffsets` joins the group for it: killed then, it stands in the
 * way of the next try until its session ends.
 */
async function commitWithoutMembers(
  options: KafkaConnectionOptions,
  { topic, group }: { readonly topic: string; readonly group: string },
  kept: readonly Kept[],
): Promise<void> {
  const groupId = groupIdOf(topic, group);
  const failure = `the offsets of ${group} in ${topic} cannot be committed`;
  const partitions = kept.map(({ partition, to }) => ({ partition, offset: String(to) }));
  await withCluster(options, failure, async (cluster) => {
    try {
      const coordinator = await cluster.findGroupCoordinator({ groupId });
      await coordinator.offsetCommit({
        groupId,
        groupGenerationId: -1,
        memberId: '',
        topics: [{ topic, partitions }],
      });
    } catch (error) {
      if (!isFenced(error)) throw error;
      throw new CertmillError('CONFLICT', `${groupId} has members: stop them`, { cause: error });
    }
  });
}
