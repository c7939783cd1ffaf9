import { lagOf } from '@certmill/adapter-kafka';
import type { Lane } from '@certmill/domain';
import type { FleetConfig } from './config/fleet-config.js';
import { kafkaConnection } from './connections/open-log.js';
import { readers } from './topics.js';

/** Chunks that wait for a stage. */
export interface StageLag {
  readonly stage: 'validate' | 'sign' | 'publish';
  readonly lane: Lane;
  readonly chunks: number;
}

/** What waits where, in the order of the way of a request. Faults: FAULT_BUS_DOWN. */
export async function fleetLag(config: Pick<FleetConfig, 'kafka'>): Promise<readonly StageLag[]> {
  const wanted = readers.flatMap(({ stage, group, topics }) =>
    (['bulk', 'interactive'] as const).map((lane) => ({ stage, group, lane, topic: topics[lane] })),
  );
  const lags = await lagOf(kafkaConnection(config, 'certmill-lag'), wanted);
  return wanted.map(({ stage, lane }, i) => ({ stage, lane, chunks: lags[i] ?? 0 }));
}
