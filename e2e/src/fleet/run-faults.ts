import { parseArgs } from 'node:util';
import { seededRandom } from '../crash/seeded-random.js';
import type { FleetRole } from '@certmill/native';
import type { FailPointName } from '../crash/fail-point.js';
import { plantedBugs, type PlantedBug } from '../crash/planted-bugs.js';
import { faultRun, removeEvidence, type FaultRunResult } from './fault-run.js';
import { planFaults, type Fault } from './faults.js';

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
    /** `ROLE:POINT`: just this kill, in the place of all others. */
    only: { type: 'string' },
    plant: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const requests = Number(values.requests);
const plant = plantedBugs.find((bug) => bug === values.plant);
if (values.plant !== undefined && plant === undefined) {
  throw new Error(`--plant is one of ${plantedBugs.join(', ')}`);
}
const random = seededRandom(Number(values.seed));
const faults: Fault[] = planFaults({
  killsPerRole: Number(values.kills),
  randomKills: Number(values['random-kills']),
  zombies: Number(values.zombies),
  outages: Number(values.outages),
  outageMs: Number(values['outage-ms']),
  random,
}).filter(({ kind }) => kind !== 'broker' || values.brokers === '3');
if (values.only !== undefined) {
  const [role = '', ...point] = values.only.split(':');
  const armed = { name: point.join(':') as FailPointName, hit: 1, lingers: false };
  faults.splice(0, faults.length, { kind: 'kill', role: role as FleetRole, armed });
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
});
const isRed = printSummary(result, plant, begun);
if (!isRed || plant !== undefined) await removeEvidence(result);
else console.log(`the evidence is in ${result.folder}`);
process.exitCode = isRed ? 1 : 0;

function printSummary(run: FaultRunResult, bug: PlantedBug | undefined, since: number): boolean {
  console.log(`\nfaults: ${[...run.faults].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  const slowest = (seconds: readonly number[]): string =>
    seconds.length === 0 ? 'none' : `at most ${Math.max(...seconds).toFixed(1)} s`;
  console.log(`recovery of a service: ${slowest(run.serviceRecoverySeconds)}`);
  console.log(`recovery of a broker: ${slowest(run.brokerRecoverySeconds)}`);
  for (const { name, findings } of run.verdicts) {
    console.log(`${findings.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const finding of findings) console.log(`         ${finding}`);
  }
  const failed = run.verdicts.filter(({ findings }) => findings.length > 0).length;
  const seconds = Math.round((performance.now() - since) / 1000);
  const rejected = [...run.rejected].map(([code, count]) => `${code} ${count}`).sort();
  console.log(`${run.issued} issued in ${seconds} s; ${rejected.join(', ')}`);
  const planted = bug === undefined ? '' : ` with the planted bug '${bug}'`;
  console.log(`${run.verdicts.length - failed} passed, ${failed} failed${planted}`);
  return failed > 0;
}
