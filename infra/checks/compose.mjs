import { globSync } from 'node:fs';
import { readText, readYaml, root } from './files.mjs';
import { problemsOf } from './tools.mjs';

const files = ['docker-compose.yml', 'docker-compose.standalone.yml'];

export function problemsOfCompose() {
  return files.flatMap((file) => problemsOf('docker-compose', ['-f', file, 'config', '-q']));
}

/** Targets, folders and files that a compose file names are there. */
export function missingParts() {
  const targets = new Set(
    [...readText('infra/docker/Dockerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)].map(
      ([, name]) => name,
    ),
  );
  return files.flatMap((file) =>
    Object.entries(readYaml(file).services).flatMap(([name, { build, volumes = [] }]) => {
      const mounted = volumes
        .map((volume) => volume.split(':')[0])
        .filter((path) => path.startsWith('./infra/'));
      return [
        ...(build === undefined || targets.has(build.target)
          ? []
          : [`${file}: ${name}: the Dockerfile has no target ${build.target}`]),
        ...mounted
          .filter((path) => globSync(path, { cwd: root }).length === 0)
          .map((path) => `${file}: ${name}: there is no ${path}`),
      ];
    }),
  );
}

/** Configuration files of services. */
export const composeConfigs = () =>
  globSync('infra/docker/fleet/*.yaml', { cwd: root }).map((file) => ({
    where: file,
    text: readText(file),
  }));
