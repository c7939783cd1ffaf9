import { parseArgs } from 'node:util';
import { seededRandom } from '../crash/seeded-random.js';
import type { FleetRole } from '@certmill/native';
import type { FailPointName } from '../crash/fail-point.js';
import { plantedFleetBugs, type PlantedBug } from '../crash/planted-bugs.js';
import { faultRun, removeEvidence, type FaultRunResult, type Recovery } from './fault-run.js';
import type { Verdict } from '../crash/judge-run.js';
import { planFaults, type Fault } from './faults.js';

const usage = `Breaks a fleet again and again while a factory uploads, and judges what came of it.

  --kills N, --random-kills N    kill -9: N at fail-points of each role; N at any moment
  --zombies N                    pauses (SIGSTOP) past the session time-out with a chunk in hand
  --outages N, --outage-ms MS    N each of a broker, Redis and a slot, and of the store two: a pause, a kill
  --brokers 1|3                  of one none is killed
  --requests N
  --only [zombie:]ROLE:POINT     just this kill (or pause), in the place of all others
  --plant ${plantedFleetBugs.join('|')}
                                 a bug that the run must see
  --max-service-recovery SECONDS, --max-broker-recovery SECONDS
                                 the run fails where one takes longer; not judged where absent. From a
                                 kill until certificates that were asked for at once after it, on both
                                 lanes and on every partition of the interactive one, are downloaded. The
                                 run starts a killed service at once, as a supervisor does; a broker is
                                 away all the while
  --seed N                       chooses faults and moments`;

/**
 * Breaks a fleet again and again while a factory uploads, and judges what came of it.
 * Exit status 0: passed; 1: something is wrong; the folder with all evidence is kept then.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '10' },
    'random-kills': { type: 'string', default: '8' },
    zombies: { type: 'string', default: '6' },
    outages: { type: 'string', default: '2' },
    'outage-ms': { type: 'string', default: '30000' },
    brokers: { type: 'string', default: '3' },
    requests: { type: 'string', default: '40000' },
    only: { type: 'string' },
    plant: { type: 'string' },
    'max-service-recovery': { type: 'string' },
    'max-broker-recovery': { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit();
}
const requests = Number(values.requests);
const plant = plantedFleetBugs.find((bug) => bug === values.plant);
if (values.plant !== undefined && plant === undefined) {
  throw new Error(`--plant is one of ${plantedFleetBugs.join(', ')}`);
}
const random = seededRandom(Number(values.seed));
const faults: Fault[] = planFaults({
  requests,
  killsPerRole: Number(values.kills),
  randomKills: Number(values['random-kills']),
  zombies: Number(values.zombies),
  outages: Number(values.outages),
  outageMs: Number(values['outage-ms']),
  random,
}).filter(({ kind }) => kind !== 'broker' || values.brokers === '3');
if (values.only !== undefined) {
  const isZombie = values.only.startsWith('zombie:');
  const [role = '', ...point] = values.only.replace(/^zombie:/, '').split(':');
  const armed = {
    name: point.join(':') as FailPointName,
    hit: 1,
    lingers: false,
    pauses: isZombie,
  };
  const kind = isZombie ? 'zombie' : 'kill';
  faults.splice(0, faults.length, { kind, role: role as Exclude<FleetRole, 'status'>, armed });
}
console.log(`${faults.length} faults in ${requests} requests, --seed ${values.seed}`);
const begun = performance.now();
const result = await faultRun({
  faults,
  requests,
  brokers: values.brokers === '3' ? 3 : 1,
  random,
  plant,
  onFault: (text) => console.log(text),
}).catch((error: unknown) => {
  console.log(`the run broke off: ${error instanceof Error ? error.message : String(error)}`);
  throw error;
});
const isRed = printSummary(result, plant, begun);
if (!isRed || plant !== undefined) await removeEvidence(result);
else console.log(`the evidence is in ${result.folder}`);
process.exitCode = isRed ? 1 : 0;

function printSummary(run: FaultRunResult, bug: PlantedBug | undefined, since: number): boolean {
  console.log(`\nfaults: ${[...run.faults].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  console.log(`recovery of a service: ${slowestOf(run.serviceRecoveries)}`);
  console.log(`recovery of a broker: ${slowestOf(run.brokerRecoveries)}`);
  const verdicts = [
    ...run.verdicts,
    ...judgeRecoveries('service', run.serviceRecoveries, values['max-service-recovery']),
    ...judgeRecoveries('broker', run.brokerRecoveries, values['max-broker-recovery']),
  ];
  for (const { name, findings } of verdicts) {
    console.log(`${findings.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const finding of findings) console.log(`         ${finding}`);
  }
  const failed = verdicts.filter(({ findings }) => findings.length > 0).length;
  const seconds = Math.round((performance.now() - since) / 1000);
  const rejected = [...run.rejected].map(([code, count]) => `${code} ${count}`).sort();
  console.log(`${run.issued} issued in ${seconds} s; ${rejected.join(', ')}`);
  const planted = bug === undefined ? '' : ` with the planted bug '${bug}'`;
  console.log(`${verdicts.length - failed} passed, ${failed} failed${planted}`);
  return failed > 0;
}

function slowestOf(recoveries: readonly Recovery[]): string {
  const slowest = recoveries.toSorted((a, b) => b.seconds - a.seconds)[0];
  if (slowest === undefined) return 'none';
  return `at most ${slowest.seconds.toFixed(1)} s (${slowest.of}), of ${recoveries.length}`;
}

/** None where there is no limit. */
function judgeRecoveries(
  what: string,
  recoveries: readonly Recovery[],
  limit: string | undefined,
): readonly Verdict[] {
  if (limit === undefined) return [];
  const tooLong = recoveries.filter(({ seconds }) => seconds > Number(limit));
  const findings = tooLong.map(({ of, seconds }) => `${of}: ${seconds.toFixed(1)} s`);
  return [{ name: `a killed ${what} is made up for within ${limit} s`, findings }];
}
