import { openKafkaAdmin, type GroupState } from '@certmill/adapter-kafka';
import type { FleetConfig } from './config/fleet-config.js';
import { kafkaConnection } from './connections/open-log.js';
import { topicReaders } from './topics.js';

/** What waits where, in the order of the way of a request. Faults: FAULT_BUS_DOWN. */
export async function fleetLag(config: Pick<FleetConfig, 'kafka'>): Promise<readonly GroupState[]> {
  const admin = openKafkaAdmin(kafkaConnection(config, 'certmill-lag'));
  try {
    return await admin.describeLag(topicReaders);
  } finally {
    await admin.stop(5_000);
  }
}
