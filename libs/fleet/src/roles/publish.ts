import { profileOfCanonical } from '@certmill/domain';
import { profileCatalogue, publishChunk, runStage } from '@certmill/pipeline';
import { openLog, watchLags } from '../connections/open-log.js';
import { openStore } from '../connections/open-store.js';
import { hopsOf, roleHops } from '../keys/hops-of.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';
import { presigningAfter } from '../presigning.js';
import { startUpkeep } from '../upkeep.js';

/** Stores what ends each chunk, and looks after what the fleet leaves behind. */
export async function openPublish(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, observer, parts } = context;
  const hops = hopsOf(roleHops.publish, config, clock);
  const store = await openStore(context);
  const log = await openLog(context);
  watchLags(context, log, ['publish']);
  const ports = {
    certificates: store,
    profiles: profileCatalogue(store, profileOfCanonical),
    log,
    hops,
    clock,
    onPublished: observer.published.bind(observer),
    ...(await presigningAfter(context)),
  };
  parts.push(
    await context.waitFor('kafka: the topics of the stage', () =>
      runStage({
        stage: 'publish',
        log,
        certificates: store,
        lanes: config.lanes,
        concurrency: config.chunksInHand,
        observer,
        handler: (record) => publishChunk(ports, record),
      }),
    ),
  );
  parts.push(await startUpkeep(context));
  return {};
}
