// GitHub's workflows cannot run here: at least they name what is there.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { scenarioNames } from '../load-tests/dist/scenarios.js';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.github/workflows');
const workflows = readdirSync(folder).map((name) => [
  name,
  parse(readFileSync(join(folder, name), 'utf8')),
]);
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** All shell lines of a workflow. */
function linesOf({ jobs }) {
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  return steps.flatMap(({ run = '' }) => run.split('\n'));
}

test.each(workflows)('%s runs scripts that package.json has', (_name, workflow) => {
  const lines = linesOf(workflow);
  expect(lines.length).toBeGreaterThan(0);
  const called = lines.flatMap((line) => [...line.matchAll(/npm run ([\w:-]+)/g)]);
  for (const [, script] of called) expect(Object.keys(scripts)).toContain(script);
});

test('the load test runs every scenario, in both forms', () => {
  const [, workflow] = workflows.find(([name]) => name === 'load-test.yml');
  const { scenario, target } = workflow.jobs.load.strategy.matrix;
  expect(scenario).toEqual([...scenarioNames]);
  expect(target).toEqual(['server', 'fleet']);
});

test('the fault run is given options that it has', () => {
  const [, workflow] = workflows.find(([name]) => name === 'load-test.yml');
  const line = linesOf(workflow).find((each) => each.includes('test:faults')) ?? '';
  const options = line.match(/--[a-z-]+(?= )/g) ?? [];
  expect(options.length).toBeGreaterThan(0);
  const help = execFileSync(process.execPath, [
    join(root, 'e2e/dist/fleet/run-faults.js'),
    '--help',
  ]);
  for (const option of options) expect(help.toString()).toContain(option);
});
