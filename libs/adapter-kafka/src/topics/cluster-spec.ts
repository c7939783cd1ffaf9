/** A topic as it is to be. */
export interface TopicSpec {
  readonly topic: string;
  /** At least so many: more are no difference. */
  readonly partitions: number;
  readonly replicationFactor: number;
  /** By Kafka's names, as text: `min.insync.replicas`, `retention.ms`, `max.message.bytes`... */
  readonly configs: Readonly<Record<string, string>>;
}

export interface ClusterSpec {
  readonly topics: readonly TopicSpec[];
  /** How long offsets of a group without members are to be kept: above the longest shutdown. */
  readonly minOffsetsRetentionMinutes?: number;
}

/** A topic as the cluster has it. */
export interface FoundTopic {
  readonly partitions: number;
  /** Of the partition with the fewest replicas. */
  readonly replicas: number;
  readonly configs: ReadonlyMap<string, string>;
}

/** What people are told, one sentence each. */
export interface ClusterReport {
  /** The cluster is not as the services need it. */
  readonly differences: readonly string[];
  /** It works, but should not stay so. */
  readonly warnings: readonly string[];
}

/** What differs between a topic and what it is to be; undefined: there is no such topic. */
export function differencesOf(spec: TopicSpec, found: FoundTopic | undefined): string[] {
  const { topic, partitions, replicationFactor, configs } = spec;
  if (found === undefined) return [`the topic ${topic} is missing`];
  const differences: string[] = [];
  const differs = (what: string, is: string, should: string): void => {
    differences.push(`the topic ${topic} has ${what} ${is}, and should have ${should}`);
  };
  if (found.partitions < partitions) {
    differs('partitions:', String(found.partitions), `at least ${partitions}`);
  }
  if (found.replicas !== replicationFactor) {
    differs('replicas:', String(found.replicas), String(replicationFactor));
  }
  for (const [name, value] of Object.entries(configs)) {
    const is = found.configs.get(name);
    if (is !== value) differs(name, is ?? 'unset', value);
  }
  return differences;
}
