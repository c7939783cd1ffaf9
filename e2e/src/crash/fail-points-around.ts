import { groups, topics } from '@certmill/events';
import { chunkRefOfHeaders } from '@certmill/pipeline';
import type { IssuanceStore } from '@certmill/platform';
import type { EventLog } from '@certmill/ports';
import type { FailPoint } from './fail-point.js';
import { patchedStore } from './patched-store.js';

const receivedTopics: readonly string[] = Object.values(topics.requestsReceived);
const issuedTopics: readonly string[] = Object.values(topics.certificatesIssued);
const stageOfGroup = new Map<string, 'validate' | 'sign' | 'publish'>([
  [groups.validate, 'validate'],
  [groups.sign, 'sign'],
  [groups.publish, 'publish'],
]);

export function failPointsAroundStore<T extends IssuanceStore>(store: T, point: FailPoint): T {
  const patch: Partial<IssuanceStore> = {
    async registerChunk(registration) {
      await point.reach('register:before', registration);
      const pinned = await store.registerChunk(registration);
      await point.reach('register:after', registration);
      return pinned;
    },
    async confirmChunk(chunk) {
      await point.reach('confirm:before', chunk);
      await store.confirmChunk(chunk);
      await point.reach('confirm:after', chunk);
    },
    async getVerdict(chunk) {
      await point.reach('verdict:before', chunk);
      const verdict = await store.getVerdict(chunk);
      await point.reach('verdict:after', chunk);
      return verdict;
    },
    async decide(decision) {
      await point.reach('decide:before', decision.chunk);
      const verdict = await store.decide(decision);
      await point.reach('decide:after', decision.chunk);
      return verdict;
    },
    async publish(terminal) {
      await point.reach('publish:before', terminal.chunk);
      const outcome = await store.publish(terminal);
      await point.reach('publish:after', terminal.chunk);
      return outcome;
    },
  };
  return patchedStore<IssuanceStore>(store, patch) as T;
}

export function failPointsAroundLog(log: EventLog, point: FailPoint): EventLog {
  return {
    lag: (topic, group) => log.lag(topic, group),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    async append(topic, record) {
      const chunk = chunkRefOfHeaders(record.headers);
      const isIngest = receivedTopics.includes(topic);
      if (isIngest) await point.reach('append:before', chunk);
      if (issuedTopics.includes(topic)) await point.reach('sign:end', chunk);
      await log.append(topic, record);
      if (isIngest) await point.reach('append:after', chunk);
    },
    subscribe(options) {
      const stage = stageOfGroup.get(options.group);
      if (stage === undefined) return log.subscribe(options);
      return log.subscribe({
        ...options,
        async handler(record) {
          const chunk = chunkRefOfHeaders(record.headers);
          await point.reach(`${stage}:begin`, chunk);
          await options.handler(record);
          // Hops are relays: what a stage has handled is published, and no offset has moved yet.
          await point.reach(`${stage}:handled`, chunk);
        },
      });
    },
  };
}
