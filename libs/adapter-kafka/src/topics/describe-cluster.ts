// Node finds some names only of this CommonJS module.
import kafkajs, { type Admin } from 'kafkajs';
import type { AdminCalls } from '../client/admin-calls.js';
import {
  differencesOf,
  type ClusterReport,
  type ClusterSpec,
  type FoundTopic,
  type TopicSpec,
} from './cluster-spec.js';

/** Reads those of some topics that are there. */
export function findTopics(
  calls: AdminCalls,
  specs: readonly TopicSpec[],
): Promise<Map<string, FoundTopic>> {
  return calls.call('the topics', async (admin) => {
    const there = new Set(await admin.listTopics());
    const wanted = specs.filter(({ topic }) => there.has(topic));
    if (wanted.length === 0) return new Map<string, FoundTopic>();
    const { topics } = await admin.fetchTopicMetadata({ topics: wanted.map(({ topic }) => topic) });
    const configs = await topicConfigs(admin, wanted);
    return new Map(
      topics.map(({ name, partitions }) => [
        name,
        {
          partitions: partitions.length,
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
          configs: configs.get(name) ?? new Map<string, string>(),
        },
      ]),
    );
  });
}

/** Compares the cluster with what it is to be, and changes nothing. */
export async function checkCluster(calls: AdminCalls, spec: ClusterSpec): Promise<ClusterReport> {
  const found = await findTopics(calls, spec.topics);
  const differences = spec.topics.flatMap((topic) => differencesOf(topic, found.get(topic.topic)));
  const settings = await calls.call('the settings of the brokers', brokerSettings);
  return { differences, warnings: warningsOf(spec, settings) };
}

function warningsOf(
  { minOffsetsRetentionMinutes }: ClusterSpec,
  settings: ReadonlyMap<string, string>,
): string[] {
  const warnings: string[] = [];
  if (settings.get('auto.create.topics.enable') === 'true') {
    warnings.push(
      'the brokers make topics by themselves (auto.create.topics.enable=true): a misspelt one would ' +
        'be made with their defaults, and lose records',
    );
  }
  const retention = Number(settings.get('offsets.retention.minutes') ?? Infinity);
  if (minOffsetsRetentionMinutes !== undefined && retention < minOffsetsRetentionMinutes) {
    warnings.push(
      `the brokers forget the offsets of a group that is away for ${retention} minutes ` +
        `(offsets.retention.minutes): it should be at least ${minOffsetsRetentionMinutes}`,
    );
  }
  return warnings;
}

async function topicConfigs(
  admin: Admin,
  specs: readonly TopicSpec[],
): Promise<Map<string, Map<string, string>>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: specs.map(({ topic, configs }) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: Object.keys(configs),
    })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
}

/** Of one broker: those that matter here are to be the same on all. */
async function brokerSettings(admin: Admin): Promise<Map<string, string>> {
  const { brokers } = await admin.describeCluster();
  const [broker] = brokers;
  if (broker === undefined) return new Map();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.BROKER,
        name: String(broker.nodeId),
        configNames: ['auto.create.topics.enable', 'offsets.retention.minutes'],
      },
    ],
  });
  const entries = resources[0]?.configEntries ?? [];
  return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
}
