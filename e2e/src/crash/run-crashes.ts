import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crashRun, type CrashRunResult } from './crash-run.js';
import { failPointKinds } from './fail-point.js';
import { diskKills } from './faulty-disks.js';
import { plantedBugs, type PlantedBug } from './planted-bugs.js';
import { seededRandom } from './seeded-random.js';

/**
 * Kills the server with -9 again and again while a factory uploads, and judges what came of it.
 * Exit status 0: passed; 1: something is wrong; the folder with all evidence is kept then.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    'disk-kills': { type: 'string', default: String(diskKills.length) },
    requests: { type: 'string', default: '50000' },
    plant: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const kills = Number(values.kills);
const requests = Number(values.requests);
const plant = plantedBugs.find((bug) => bug === values.plant);
if (values.plant !== undefined && plant === undefined) {
  throw new Error(`--plant is one of ${plantedBugs.join(', ')}`);
}
const directory = mkdtempSync(join(tmpdir(), 'certmill-crash-'));
console.log(`${kills} kills in ${requests} requests, --seed ${values.seed}, in ${directory}`);
const begun = performance.now();
const result = await crashRun({
  directory,
  kills,
  diskKills: Number(values['disk-kills']),
  requests,
  random: seededRandom(Number(values.seed)),
  plant,
  onLife: (text) => console.log(text),
});
const isRed = printSummary(result, plant, begun);
if (!isRed || plant !== undefined) rmSync(directory, { recursive: true });
else console.log(`the evidence is in ${directory}`);
process.exitCode = isRed ? 1 : 0;

function printSummary(run: CrashRunResult, bug: PlantedBug | undefined, since: number): boolean {
  const points = [...run.killsByPoint].map(([point, count]) => `${point} ${count}`);
  console.log(`\nkills by point: ${points.sort().join(', ')}, random moment ${run.randomKills}`);
  const perKind = Math.floor(kills / failPointKinds.length);
  const counts = failPointKinds.map((kind) => ({ kind, count: run.killsByKind.get(kind) ?? 0 }));
  const verdicts = [
    {
      name: `at least ${perKind} kills in each stage and between effect and offset`,
      findings: counts.flatMap(({ kind, count }) => (count < perKind ? [`${kind}: ${count}`] : [])),
    },
    ...run.verdicts,
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
