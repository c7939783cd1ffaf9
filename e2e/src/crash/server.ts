import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHops, hopKeysOf, type Hop } from '@certmill/pipeline';
import { serve, serveSchema } from '@certmill/standalone';
import { FailPoint, type ArmedFailPoint } from './fail-point.js';
import { failPointsAroundLog, failPointsAroundStore } from './fail-points-around.js';
import { faultyLogDisk, faultyStoreDiskModule } from './faulty-disks.js';
import { oracleSlotModule } from './oracle-slot.js';
import { bugAroundLog, bugAroundStore, type PlantedBug } from './planted-bugs.js';

/** What the run tells a server process, as JSON in its only argument. */
export interface ServerOrders {
  readonly data: string;
  readonly passphraseFile: string;
  readonly oracleFile: string;
  readonly reportFile: string;
  /** Of `armDisks`. */
  readonly controlFile: string;
  readonly armed: ArmedFailPoint | undefined;
  readonly plant: PlantedBug | undefined;
}

/** What a server process tells the run once it takes calls. */
export interface ServerReady {
  readonly url: string;
  /** On the first start of a data folder only. */
  readonly key?: string;
}

/** `certmill serve` in its default configuration, in a process that may die at a fail-point. */
const orders = JSON.parse(process.argv[2] ?? '{}') as ServerOrders;
const { data, passphraseFile, oracleFile, reportFile, controlFile, armed, plant } = orders;
const point = new FailPoint(armed, reportFile);
const config = serveSchema.parse({
  data,
  passphraseFile,
  logLevel: 'warn',
  http: { port: 0 },
});
const receivedHop = (): Hop => {
  const keys = hopKeysOf(readFileSync(join(data, 'hop-secret')));
  return createHops(keys, { nowMs: () => Date.now() }).received;
};
const server = await serve(config, {
  storeDiskModule: faultyStoreDiskModule(controlFile),
  logDisk: faultyLogDisk(controlFile),
  slotModule: oracleSlotModule({ oracleFile, reportFile, armed }),
  aroundStore(store) {
    const planted = plant === undefined ? store : bugAroundStore(store, plant, data);
    return failPointsAroundStore(planted, point);
  },
  aroundLog(log) {
    const planted = plant === undefined ? log : bugAroundLog(log, plant, receivedHop);
    return failPointsAroundLog(planted, point);
  },
});
process.once('message', () => {
  void server.stop().then(() => process.disconnect());
});
// The run is gone: nobody will ever stop this process.
process.once('disconnect', () => process.exit());
const first = await server.openFirstCredential();
const ready: ServerReady = {
  url: server.url,
  ...(first === undefined ? {} : { key: first.key }),
};
process.send?.(ready);
