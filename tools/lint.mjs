// Lints everything. The module-boundary rule needs Nx's project graph: without it the rule passes
// silently, so the graph is made first and its absence is an error.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cwd = new URL('..', import.meta.url);
const env = {
  ...process.env,
  NX_DAEMON: 'false',
  NX_TUI: 'false',
  PATH: `${fileURLToPath(new URL('node_modules/.bin', cwd))}:${process.env.PATH}`,
};

const projects = JSON.parse(execFileSync('nx', ['show', 'projects', '--json'], { cwd, env }));
if (projects.length < 5) {
  process.stderr.write('nx sees no projects: the boundary rule would pass silently\n');
  process.exit(1);
}
const paths = process.argv.slice(2);
const everything = ['libs', 'apps', 'infra', 'e2e', 'load-tests', '--no-error-on-unmatched-pattern'];
const { status } = spawnSync(
  'eslint',
  ['--max-warnings=0', ...(paths.length > 0 ? paths : everything)],
  { cwd, env, stdio: 'inherit' },
);
process.exit(status ?? 1);
