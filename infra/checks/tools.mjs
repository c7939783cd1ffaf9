import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from './files.mjs';

/** What is run, and how to get it where it is missing. */
export const tools = {
  'docker-compose': 'apt-get install docker-compose',
  promtool: 'apt-get install prometheus',
  helm: 'go install helm.sh/helm/v3/cmd/helm@v3.22.0',
  'kube-score': 'go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0',
};

/** Where a tool is: on the PATH, in CERTMILL_NATIVE_CACHE/bin, or where infra/native installs it. */
export function findTool(name, environment = process.env) {
  const cache = environment.CERTMILL_NATIVE_CACHE ?? join(root, '.cache', 'native');
  const installed = globSync([`bin/${name}`, `${name}-v*/${name}`, `debian-*/run/${name}`], {
    cwd: cache,
  });
  return [
    ...(environment.PATH ?? '').split(delimiter).map((folder) => join(folder, name)),
    ...installed.sort().map((file) => join(cache, file)),
  ].find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** One sentence for each tool that is not there. */
export function missingTools(environment = process.env) {
  return Object.entries(tools)
    .filter(([name]) => findTool(name, environment) === undefined)
    .map(
      ([name, how]) => `${name} is missing: node infra/native/dist/install.js ${name}, or ${how}`,
    );
}

/** Runs a tool from the root; problems are what it said where it failed. */
export function problemsOf(name, args) {
  const { status, stdout, stderr, error } = spawnSync(findTool(name), args, {
    cwd: root,
    encoding: 'utf8',
  });
  if (status === 0) return [];
  return [`${name} ${args.join(' ')}\n${error?.message ?? ''}${stdout}${stderr}`.trim()];
}

/** What a tool prints. */
export function outputOf(name, args) {
  return execFileSync(findTool(name), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
