import { setTimeout as sleep } from 'node:timers/promises';
import { openKafkaAdmin } from '@certmill/adapter-kafka';
import type { Stoppable } from '@certmill/ports';
import type { ServiceContext } from '../service-context.js';
import { kafkaConnection } from './open-log.js';

/** Of brokers that are away a process does not wait long. */
const removalTimeoutMs = 5_000;

/**
 * Removes a group that only this process has, once its subscription has stopped: nobody else comes back
 * to it. That of a killed process stays, without members, until the brokers forget its offsets
 * (offsets.retention.minutes).
 */
export function groupRemoval(
  { config, instance, logger }: ServiceContext,
  topic: string,
  group: string,
): Stoppable {
  return {
    async stop(timeoutMs) {
      const admin = openKafkaAdmin(kafkaConnection(config, `certmill-ingest-${instance}`));
      const removed = admin.deleteGroup(topic, group).catch((error: unknown) => {
        logger.warn({ err: error, group }, 'the group of this process is left behind');
      });
      const late = new AbortController();
      await Promise.race([
        removed,
        sleep(Math.min(timeoutMs, removalTimeoutMs), undefined, { signal: late.signal }).catch(
          () => undefined,
        ),
      ]);
      late.abort();
      await admin.stop(0);
    },
  };
}
