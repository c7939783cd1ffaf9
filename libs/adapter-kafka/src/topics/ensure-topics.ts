import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminCalls } from '../client/admin-calls.js';
import type { ClusterReport, ClusterSpec, TopicSpec } from './cluster-spec.js';
import { checkCluster, findTopics } from './describe-cluster.js';

/** What was made, and what is still not as it is to be. */
export interface EnsuredTopics extends ClusterReport {
  readonly created: readonly string[];
  /** Topics that have more partitions now. */
  readonly grown: readonly string[];
}

const createTimeoutMs = 10_000;
const seenPauseMs = 100;

/**
 * Makes topics that are missing and adds partitions that are. Nothing else of a topic that is there is
 * changed: the report says what differs. Idempotent, also beside others that do the same.
 */
export async function ensureTopics(calls: AdminCalls, spec: ClusterSpec): Promise<EnsuredTopics> {
  const found = await findTopics(calls, spec.topics);
  const created: string[] = [];
  const grown: string[] = [];
  for (const topic of spec.topics) {
    const partitions = found.get(topic.topic)?.partitions;
    if (partitions === undefined) {
      if (await create(calls, topic)) created.push(topic.topic);
    } else if (partitions < topic.partitions) {
      await grow(calls, topic);
      grown.push(topic.topic);
    }
  }
  if (created.length + grown.length > 0) await untilSeen(calls, spec.topics);
  return { created, grown, ...(await checkCluster(calls, spec)) };
}

/** Brokers hear of what the controller has made one after the other; not for ever: the report tells the rest. */
async function untilSeen(calls: AdminCalls, specs: readonly TopicSpec[]): Promise<void> {
  const deadline = performance.now() + createTimeoutMs;
  // Several times in a row: any broker may answer.
  for (let seen = 0; seen < 3 && performance.now() < deadline;) {
    const found = await findTopics(calls, specs);
    const isSeen = specs.every(({ topic, partitions }) => {
      return (found.get(topic)?.partitions ?? 0) >= partitions;
    });
    seen = isSeen ? seen + 1 : 0;
    await sleep(seenPauseMs);
  }
}

/** False where somebody else has made it meanwhile. */
function create(
  calls: AdminCalls,
  { topic, partitions, replicationFactor, configs }: TopicSpec,
): Promise<boolean> {
  return calls.call(`the new topic ${topic}`, (admin) =>
    admin.createTopics({
      timeout: createTimeoutMs,
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: partitions,
          replicationFactor,
          configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
        },
      ],
    }),
  );
}

async function grow(calls: AdminCalls, { topic, partitions }: TopicSpec): Promise<void> {
  await calls.call(`more partitions of ${topic}`, (admin) =>
    admin.createPartitions({
      timeout: createTimeoutMs,
      topicPartitions: [{ topic, count: partitions }],
    }),
  );
}
