import { existsSync, readFileSync } from 'node:fs';
import { hopsOf, readFleetConfig, superviseService, type Role } from '@certmill/fleet';
import type { Hop } from '@certmill/pipeline';
import { FailPoint, type ArmedFailPoint } from '../crash/fail-point.js';
import { failPointsAroundLog, failPointsAroundStore } from '../crash/fail-points-around.js';
import { oracleSlotModule } from '../crash/oracle-slot.js';
import {
  bugAroundPublishLog,
  bugAroundSignLog,
  bugAroundStore,
  type PlantedBug,
} from '../crash/planted-bugs.js';

/** What a run tells a service, in a file beside its configuration that it reads when it starts. */
export interface ServiceOrders {
  readonly oracleFile: string;
  readonly reportFile: string;
  /** Shared by all services, for bugs that remember. */
  readonly bugFolder: string;
  readonly armed?: ArmedFailPoint;
  readonly plant?: PlantedBug;
}

export function ordersFileOf(configFile: string): string {
  return `${configFile}.orders`;
}

/** A service as its own program runs it, in a process that may die or stop at a fail-point. */
async function main(): Promise<void> {
  const [role, ...argv] = process.argv.slice(2);
  const [, configFile = ''] = argv;
  const file = ordersFileOf(configFile);
  const orders = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as ServiceOrders)
    : undefined;
  if (orders === undefined) throw new Error(`there is no ${file}`);
  const { oracleFile, reportFile, bugFolder, armed, plant } = orders;
  const point = new FailPoint(armed, reportFile);
  const validatedHop = (): Hop =>
    hopsOf(['validated'], readFleetConfig(configFile), { nowMs: () => Date.now() }).validated;
  await superviseService(
    role as Role,
    { argv, environment: process.env },
    {
      overrides: {
        slotModule: oracleSlotModule({ oracleFile, reportFile, armed }),
        aroundStore(store) {
          const planted = plant === undefined ? store : bugAroundStore(store, plant, bugFolder);
          return failPointsAroundStore(planted, point);
        },
        aroundLog(log) {
          if (plant === undefined) return failPointsAroundLog(log, point);
          if (role === 'sign') log = bugAroundSignLog(log, plant, validatedHop);
          if (role === 'publish') log = bugAroundPublishLog(log, plant);
          return failPointsAroundLog(log, point);
        },
      },
    },
  );
}

if (process.argv[1]?.endsWith('service-under-test.js') === true) await main();
