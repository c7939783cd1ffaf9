import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

const trustOfServices = '/var/lib/certmill/trust';
/** Of a CA folder: what services get of it, and what stays. */
const given = [
  'serial-keys.json',
  'ca-crls/root.pem',
  'ca/issuing/delegates/0a.pem',
  ...['ca.json', 'chain.pem', 'retired.json', 'revoked-cas.json', 'status.json'].map(
    (file) => `ca/issuing/${file}`,
  ),
];
const kept = ['ca/issuing/key.pem', 'ca/root/key.pem', 'ca/development-passphrase'];

/** Runs the script that fills the trust folder, twice, and looks who mounts that. */
export function lostTrust() {
  const { services } = readYaml('docker-compose.yml');
  const unmounted = ['ingest', 'sign', 'status']
    .filter((name) => !services[name].volumes.includes(`trust:${trustOfServices}:ro`))
    .filter((name) => readYaml(`infra/docker/fleet/${name}.yaml`).trust === trustOfServices)
    .map((name) => `docker-compose.yml: ${name} does not mount its trust folder`);
  const folder = mkdtempSync(join(tmpdir(), 'certmill-trust-'));
  try {
    const [ca, trust] = [join(folder, 'ca'), join(folder, 'trust')];
    for (const path of [...given, ...kept]) {
      mkdirSync(dirname(join(ca, path)), { recursive: true });
      writeFileSync(join(ca, path), path);
    }
    mkdirSync(trust);
    const env = { ...process.env, CA_FOLDER: ca, TRUST_FOLDER: trust };
    const script = join(root, 'infra/docker/fleet/init-ca.sh');
    const runs = [1, 2].map(() => spawnSync('sh', [script], { env, encoding: 'utf8' }));
    return [
      ...unmounted,
      ...runs.filter(({ status }) => status !== 0).map(({ stderr }) => `init-ca.sh: ${stderr}`),
      ...given
        .filter((path) => !existsSync(join(trust, path)))
        .map((path) => `init-ca.sh does not give ${path} to the services`),
      ...kept
        .filter((path) => existsSync(join(trust, path)))
        .map((path) => `init-ca.sh gives ${path} to the services`),
      ...globSync('**/*.new', { cwd: trust }).map((path) => `init-ca.sh leaves ${path}`),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Sign has its statusMarks (ADR 0035) in a volume that only it has, which is new with its user's folder. */
export function lostMarks(
  { services, volumes } = readYaml('docker-compose.yml'),
  { statusMarks } = readYaml('infra/docker/fleet/sign.yaml'),
) {
  const holding = Object.entries(services).flatMap(([name, service]) =>
    (service.volumes ?? [])
      .map((volume) => volume.split(':'))
      .filter(([source, target]) => source in volumes && target === statusMarks)
      .map(([source, , mode = 'rw']) => ({ name, source, mode })),
  );
  const own = holding.find(({ name, mode }) => name === 'sign' && mode === 'rw');
  if (own === undefined) return ['docker-compose.yml: sign forgets its statusMarks'];
  const folders = readText('infra/docker/Dockerfile').match(/install -d [^&]*?\n(?!\s*\/)/)[0];
  const sharing = Object.entries(services).filter(
    ([name, service]) =>
      name !== 'sign' && (service.volumes ?? []).some((each) => each.startsWith(`${own.source}:`)),
  );
  return [
    ...sharing.map(([name]) => `docker-compose.yml: ${name} has the statusMarks of sign`),
    ...(folders.split(/\s+/).includes(statusMarks)
      ? []
      : [`Dockerfile: nobody makes ${statusMarks}`]),
  ];
}

/** Configuration files of services. */
export const composeConfigs = () =>
  globSync('infra/docker/fleet/*.yaml', { cwd: root }).map((file) => ({
    where: file,
    text: readText(file),
  }));
