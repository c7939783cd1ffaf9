import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCertmill } from '../cli/testing/open-certmill.js';
import { openssl } from '../cli/testing/openssl.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import { fencedCommands, fencesOf, inlineCommands } from './testing/documented-commands.js';
import { openShell, type ShellSession } from './testing/shell-session.js';
import { walkedRunbooks } from './testing/walked-runbooks.js';

const root = join(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Commands that nothing here runs: the line of `.ci/run` that does, and why not here. */
const runElsewhere: Readonly<Record<string, readonly [line: string, reason: string]>> = {
  'npm ci': ['npm ci', 'it would take away the modules that this test runs with'],
  'npm test': ['npm test', 'it would run this test'],
  'npm run lint': ['npm run lint', 'a minute'],
  'npm run format': ['npm run format:check', 'it writes; its check is what can fail'],
  'npm run fleet': ['npm run test:fleet', 'it runs until Ctrl-C; one of the fleet tests runs it'],
  'npm run test:fleet': ['npm run test:fleet', 'a quarter of an hour, and servers'],
  'npm run test:faults': ['npm run test:fleet', 'long; faults.fleet.spec.ts is its short form'],
  'npm run load-test -- --fleet': ['npm run load-test -- --fleet --short', 'minutes of full load'],
  'npm run check:infra': ['npm run check:infra', 'it needs tools that CI installs'],
  'certmill fleet bench': ['npm run test:fleet', 'it needs a fleet: commands.fleet.spec.ts'],
  'certmill fleet init': ['npm run test:fleet', 'the same'],
  'certmill fleet verify': ['npm run test:fleet', 'the same'],
  'certmill fleet reconcile': ['npm run test:fleet', 'it too: settle-dead-letters.fleet.spec.ts'],
  'npm run bench': ['npm run bench -- --requests 20000 --json', 'a minute of full load'],
  'certmill bench authority': [
    'npm run bench -- authority --entries 100000 --certificates 51200 --rounds 1 --max-ocsp-cpu 200',
    'a minute of full load',
  ],
  'node e2e/dist/fleet/crl.bench.js': [
    'node e2e/dist/fleet/crl.bench.js 20000',
    'it needs the stand-in for MongoDB',
  ],
  'npm run test:crash -- --kills 50 --requests 50000': [
    'npm run test:crash -- --kills 6 --requests 6000',
    'ten minutes',
  ],
  '.ci/run': ['#!/usr/bin/env bash', 'it runs this test'],
  'certmill ca init --key ml-dsa-65': ['npm test', 'post-quantum-commands.spec.ts runs it'],
  'certmill crl build devices': ['npm test', 'cli/commands.spec.ts runs it'],
  'certmill crl show': ['npm test', 'the same'],
  'certmill crl build ISSUER --after-clock-fault': ['npm test', 'http/crls.spec.ts runs it'],
  'certmill ca compromise': ['npm test', 'server/compromise.spec.ts runs it'],
  'certmill crl fetch devices --pem --out devices.pem': ['npm test', 'the same'],
  'npm run docs': ['npm test', 'it writes; the tests of libs/platform compare what it wrote'],
  'node libs/signing/dist/signing.bench.js': ['node libs/signing/dist/signing.bench.js', 'minutes'],
  'node libs/pipeline/dist/validate/validate.bench.js': [
    'node libs/pipeline/dist/validate/validate.bench.js',
    'it measures',
  ],
  'node libs/packed/dist/packed-runs/packed-runs.bench.js': [
    'node libs/packed/dist/packed-runs/packed-runs.bench.js',
    'it measures',
  ],
};

/** What documents show as a file's content. */
const files: readonly (readonly [document: string, language: string, name: string])[] = [
  ['README.md', 'csv', 'allow.csv'],
  ['README.md', 'yaml', 'certmill.yaml'],
  ['docs/profiles.md', 'yaml', 'my-profile.yaml'],
];

/** What differs from what a reader types; `<...>` is what the run itself has told. */
const substitutions: readonly (readonly [documented: string, typed: string])[] = [
  ['npm run demo', 'npm run demo -- 500'],
  ['npm start', 'npm start -- --port 0'],
  ['cm_...', '<key>'],
  ['http://127.0.0.1:8460', '<server>'],
  ['export CERTMILL_API_KEY=$KEY', 'export CERTMILL_API_KEY=$KEY CERTMILL_SERVER=<server>'],
  ['BATCH_ID', '<batch>'],
  ['docs/capacity-bench.json', join(root, 'docs/capacity-bench.json')],
  ['certmill bench', 'certmill bench --requests 2000 --warm-up 0 --limit-seconds 1'],
  // Of certmill.yaml:
  ['/var/lib/certmill', './tls-data'],
  ['/etc/certmill', './tls'],
  ['host: 0.0.0.0', 'host: 0.0.0.0\n  port: 0'],
];

interface Step {
  /** How the command begins. */
  readonly types: string;
  /** Of stdout and stderr together. */
  readonly sees?: RegExp;
  /** It goes on running; of stdout. */
  readonly leavesRunning?: RegExp;
}

/** Every command of the shell fences, in order, and what the document promises of it. */
const steps: Readonly<Record<string, readonly Step[]>> = {
  'README.md': [
    { types: 'npm run demo', sees: /^chain check: all 500 certificates verify/m },
    { types: 'mkdir my-csrs' },
    { types: 'openssl req -new -newkey ec' },
    { types: 'npx certmill issue', sees: /^issued 1 of 1 in .*: \.\/certs$/m },
    { types: 'openssl verify', sees: /^certs\/gw-0001\.pem: OK$/m },
    { types: 'npx certmill verify', sees: /^certs\/gw-0001\.pem: valid$/m },
    { types: 'npx certmill inspect', sees: /^ {2}subject: CN=gw-0001\n[^]*no rule broken$/m },
    { types: 'openssl req -new -newkey rsa:2048' },
    { types: 'npx certmill issue gw-0002.pem', sees: /^issued 1 of 1 in .*: \.\/certs$/m },
    { types: 'openssl req -in', sees: /[ (][0-9a-f]{64}$/m },
    {
      types: 'npm start',
      leavesRunning:
        /^certmill serves at (?<server>\S+)\n.*\n {2}(?<key>cm_\S+)\n.*Ctrl-C stops it$/m,
    },
    { types: 'export KEY=' },
    { types: 'api()' },
    { types: 'base=' },
    { types: 'api $base/orders -H', sees: /"orderId":"line-7"/ },
    { types: 'api -T allow.csv', sees: /"devices":4/ },
    { types: 'openssl req -new -newkey ed25519' },
    {
      types: 'api --data-binary @gw-0003.pem',
      sees: /^HTTP\/1\.1 202 [^]*^location: \/v1\/batches\/(?<batch>\w+)/im,
    },
    { types: 'api $base/batches/', sees: /"counters":\{.*"ratePerSecond":/ },
    { types: 'api "$base/batches/' },
    { types: 'api $base/batches/', sees: /^$/ },
    {
      types: 'api $base/batches/',
      sees: /"deviceId":"gw-0003".*"sha256":"[0-9a-f]{64}".*\n\{"signature":/,
    },
    { types: 'openssl req -new -newkey ed25519' },
    { types: 'api --data-binary @gw-0004.pem', sees: /^-----BEGIN CERTIFICATE-----$/m },
    { types: 'export CERTMILL_API_KEY' },
    { types: 'npx certmill profile list', sees: /^tls-client /m },
    { types: 'npx certmill order create', sees: /line-8/ },
    { types: 'printf ' },
    { types: 'npx certmill device import', sees: /^1 devices are on the allow-list of line-8$/m },
    { types: 'openssl req -new -newkey ed25519' },
    {
      types: 'npx certmill submit',
      sees: /^batch +(?<batch>\w+) \(complete\)\naccepted +1\nissued +1\n/m,
    },
    { types: 'npx certmill watch', sees: /^issued +1$/m },
    { types: 'npx certmill fetch', sees: /^wrote 1 files in \.\/certs-der\/$/m },
    { types: 'npx certmill revoke', sees: /^1 revoked, /m },
    { types: 'npx certmill calendar', sees: /tls-client/ },
    { types: 'curl -sS --fail' },
    { types: 'openssl crl', sees: /^Certificate Revocation List \(CRL\):$/m },
    { types: 'openssl ocsp', sees: /certificates\.pem: (good|revoked)/ },
    { types: 'npx certmill serve --config', leavesRunning: /^certmill serves at https:/m },
    { types: 'npx certmill backup', sees: /^backed up to .*\/monday$/m },
    { types: 'npx certmill restore', sees: /^restored to \.\/restored;/m },
    { types: 'npx certmill verify-store', sees: /^the store is sound$/m },
    {
      types: 'npx certmill ca init',
      sees: /^made issuing CA factory-a[^]*DEVELOPMENT ONLY/m,
    },
    { types: 'npx certmill ca import --help', sees: /--chain <file>/ },
    { types: 'npx certmill ca show', sees: /^factory-a /m },
    { types: 'npx certmill dead-letters list', sees: /^no dead letters$/m },
    { types: 'npx certmill bench', sees: /^end to end .*limit[^]*^memory: /m },
    { types: 'npx certmill issue --help', sees: /^Examples:$/m },
    { types: 'npx certmill fleet --help', sees: /^ {2}restored /m },
    { types: 'npx certmill dlq --help', sees: /^ {2}drop /m },
    { types: 'npx certmill migrate --help', sees: /^Usage: certmill migrate /m },
    { types: 'npx certmill plan --help', sees: /--per-day <n>/ },
  ],
  'docs/capacity.md': [{ types: 'npx certmill plan', sees: /^slots +2\n/m }],
  'docs/hierarchies.md': [
    { types: 'npx certmill ca root --data root-medium', sees: /^made root C=DE, O=Example, CN=/m },
    { types: 'npx certmill ca issue oem', sees: /^made intermediate CA oem under root/m },
    { types: 'npx certmill ca issue manufacturing', sees: /^made issuing CA manufacturing/m },
    { types: 'npx certmill ca issue firmware', sees: /^made issuing CA firmware/m },
    {
      types: 'npx certmill ca show',
      sees: /^firmware .*issuing .*\nmanufacturing .*\noem +intermediate /m,
    },
    { types: 'openssl verify', sees: /firmware\/certificate\.pem: OK$/m },
    { types: 'npx certmill ca root --data matter', sees: /^made root O=Example, CN=Example PAA/m },
    { types: 'npx certmill ca issue pai', sees: /^made issuing CA pai under root/m },
    { types: 'openssl req -new' },
    { types: 'printf' },
    { types: 'npx certmill issue', sees: /^issued 1 of 1 in .*: dacs$/m },
    { types: 'openssl verify', sees: /^dacs\/dac-1\.pem: OK$/m },
    { types: 'cat dacs/dac-1.pem', sees: /: issued by object 2\n[^]*^3 objects, no rule broken$/m },
    { types: 'npx certmill ca request', sees: /^request of CA factory: factory\.csr\.pem$/m },
    { types: 'npx certmill ca sign', sees: /^signed CA O=Example, CN=Factory/m },
    { types: 'npx certmill ca complete', sees: /^CA factory is ready/m },
    { types: 'npx certmill ca crl root', sees: /^CRL of root: 0 entries, next update/m },
    { types: 'npx certmill crl import', sees: /^took in CRL \d+ of root-medium, 0 entries/m },
    { types: 'npx certmill ca renew', sees: /^renewed CA oem: valid until/m },
    { types: 'npx certmill ca rekey', sees: /^manufacturing is retired/m },
    { types: 'npx certmill ca root --data new-root', sees: /^made root O=Example/m },
    { types: 'npx certmill ca cross', sees: /^root vouches for root: .*alternative/m },
    { types: 'npx certmill ca renew root', sees: /^renewed CA root: valid until/m },
    {
      types: 'npx certmill ca rekey root',
      sees: /^root C=DE, O=Example, .* has a new key: .*\nfor who trusts .*root-medium-2.*alternative/m,
    },
    { types: 'npx certmill ca issue line-7', sees: /^made issuing CA line-7 under oem/m },
    { types: 'npx certmill ca revoke', sees: /^revoked CA CN=line-7 .*cessationOfOperation/m },
    { types: 'npx certmill ca crl', sees: /^CRL of oem: 1 entries, next update/m },
    { types: 'openssl crl', sees: /Cessation Of Operation/ },
    { types: 'npx certmill ca export', sees: /^exported \d+ CAs without keys to public-trust: /m },
    { types: 'npx certmill audit list', sees: /^folder 1 .*ca\.root\.ended .*ca\.rekey\.ended /ms },
    { types: 'npx certmill audit verify', sees: /^of the folder, .* entries, each behind/m },
    { types: 'npx certmill ca show', sees: /^manufacturing +.*retired for manufacturing-2/m },
  ],
  'docs/profiles.md': [
    {
      types: 'npx certmill profile check',
      sees: /^my-profile\.yaml: profile sensor, version 1, is good$/m,
    },
    { types: 'npx certmill profile list --built-in', sees: /^matter-pai .* ca /m },
    { types: 'npx certmill ca delegate --help', sees: /ocsp-responder/ },
  ],
};

/** The parts of a command that are run here: `npm ci && npm test` has none. */
const partsRunHere = (command: string): string =>
  command
    .split(' && ')
    .filter((part) => !(part in runElsewhere))
    .join(' && ');

const commandsIn = (document: string): string[] =>
  fencedCommands(read(document))
    .map(partsRunHere)
    .filter((command) => command !== '');

describe('every command in README and docs', () => {
  it('is run, in its order, by this test or by .ci/run', () => {
    const unknown = documents.flatMap((document) => {
      const expected = steps[document] ?? [];
      const found = commandsIn(document);
      return Array.from({ length: Math.max(found.length, expected.length) }, (_, i) => {
        const [command, step] = [found[i] ?? '(no more command)', expected[i]];
        return step !== undefined && command.startsWith(step.types)
          ? []
          : [`${document}: ${command}`];
      }).flat();
    });
    expect(unknown).toEqual([]);
  });

  it('in prose is one of those too', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const run = documents.flatMap(commandsIn).flatMap((command) => {
      const [, script = ''] = /^npm (?:run )?(\w+)$/.exec(command) ?? [];
      return [command, command.replace(/^npx /, ''), scripts[script] ?? command];
    });
    const isRun = (command: string): boolean => run.some((whole) => whole.startsWith(command));
    const mentioned = documents.flatMap((document) => inlineCommands(read(document)));
    expect(mentioned.filter((command) => !(command in runElsewhere) && !isRun(command))).toEqual(
      [],
    );
  });

  it('that is run elsewhere is mentioned, and run there', () => {
    const mentioned = documents.flatMap((document) => [
      ...inlineCommands(read(document)),
      ...fencedCommands(read(document)).flatMap((command) => command.split(' && ')),
    ]);
    const ci = read('.ci/run').split('\n');
    for (const [command, [line]] of Object.entries(runElsewhere)) {
      expect(mentioned).toContain(command);
      expect(ci).toContain(line);
    }
  });
});

describe.each(Object.keys(steps))('a reader who types what %s shows', (document) => {
  const told: Record<string, string> = {};
  let failed: string | undefined;
  let work: WorkFolder;
  let shell: ShellSession;

  /** As it stands in the document, but for the table of substitutions. */
  const typed = (text: string): string =>
    substitutions
      .reduce((sofar, [from, to]) => sofar.replaceAll(from, to), text)
      .replaceAll(/<(key|server|batch)>/g, (_, name: string) => told[name] ?? '');

  beforeAll(async () => {
    work = await aWorkFolder();
    await copyFile(join(root, 'package.json'), work.at('package.json'));
    symlinkSync(join(root, 'node_modules'), work.at('node_modules'));
    for (const [of, language, name] of files) {
      if (of !== document) continue;
      const shown = fencesOf(read(document)).filter((fence) => fence.language === language);
      expect(shown).toHaveLength(1);
      await writeFile(work.at(name), typed(shown[0]!.text));
    }
    await mkdir(work.at('tls'));
    openssl(
      ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...[
        '-subj',
        '/CN=certmill',
        '-keyout',
        work.at('tls/tls.key'),
        '-out',
        work.at('tls/tls.crt'),
      ],
    );
    const { PATH = '', HOME = '' } = process.env;
    shell = openShell(work.path, { PATH, HOME, npm_config_update_notifier: 'false' });
  });
  afterAll(async () => {
    await shell[Symbol.asyncDispose]();
    await work[Symbol.asyncDispose]();
  });

  const commands = commandsIn(document);
  it.each(commands.map((command, i) => ({ command, step: steps[document]?.[i] })))(
    'gets what it promises: $command',
    async ({ command, step }) => {
      if (failed !== undefined) throw new Error(`not typed, for this went wrong before: ${failed}`);
      failed = command;
      if (step?.leavesRunning !== undefined) {
        const match = await shell.start(typed(command), step.leavesRunning);
        Object.assign(told, match.groups);
        failed = undefined;
        return;
      }
      const { exitCode, stdout, stderr } = await shell.run(typed(command));
      const output = stdout + stderr;
      expect(output).not.toContain('\u001B');
      expect([exitCode, output]).toEqual([0, expect.stringMatching(step?.sees ?? /^/)]);
      Object.assign(told, step?.sees?.exec(output)?.groups);
      failed = undefined;
    },
  );

  it('ends what it left running by Ctrl-C', async () => {
    const left = (steps[document] ?? []).filter((step) => step.leavesRunning !== undefined);
    expect(await shell.interrupt()).toEqual(
      left.map(() => expect.stringMatching(/^stopping: .*\n.*"msg":"stopped"\}\n$/m) as string),
    );
  });
});

describe('the refusals that docs/profiles.md shows', () => {
  it('are what its complete file gives with those two mistakes', async () => {
    await using work = await aWorkFolder();
    const fences = fencesOf(read('docs/profiles.md'));
    const good = fences.find(({ language }) => language === 'yaml')!.text;
    const shown = fences.find(({ text }) => text.startsWith('sensor.yaml:'))!.text;
    const bad = good.replace('version: 1', "version: '1'").replace('keyUsage:', 'keyUsages:');
    await writeFile(work.at('sensor.yaml'), bad);
    await using shell = openShell(work.path, { PATH: process.env['PATH'] ?? '' });
    const bin = join(root, 'node_modules/.bin/certmill');
    const { exitCode, stderr } = await shell.run(`${bin} profile check sensor.yaml`);
    expect(exitCode).toBe(1);
    for (const line of shown.trim().split('\n')) expect(stderr).toContain(line);
  });
});

/** Most runbooks are for a fleet that is not at hand here: their commands are looked up, not run. */
describe('the commands of the runbooks', () => {
  const folder = join(root, 'docs/runbooks');
  const names = readdirSync(folder).filter((name) => name.endsWith('.md'));
  const used = names.flatMap((name) => {
    const text = read(`docs/runbooks/${name}`);
    const isWalked = (walkedRunbooks as readonly string[]).includes(name);
    return [...inlineCommands(text), ...(isWalked ? [] : fencedCommands(text))]
      .filter((command) => /^(?:npx )?certmill /.test(command))
      .map((command) => command.replace(/^npx /, '').replaceAll(/\s+/g, ' '));
  });
  const pathOf = (command: string): string =>
    /^certmill((?: [a-z][a-z-]*)+)/.exec(command)?.[1]?.trim() ?? '';

  it('are there, with the options that they are given', async () => {
    const paths = [...new Set(used.map(pathOf))];
    expect(paths).toEqual(expect.arrayContaining(['dlq list', 'dlq retry', 'dlq drop']));
    await using certmill = openCertmill();
    for (const path of paths) {
      const words = path.split(' ');
      const { exitCode, stdout } = await certmill.type(...words, '--help');
      expect([path, exitCode]).toEqual([path, 0]);
      // The help of a group is shown where it has no such command.
      expect(stdout).toMatch(new RegExp(`^Usage: certmill ${words.join(' ')} `));
      const options = used
        .filter((command) => pathOf(command) === path)
        .flatMap((command) => command.match(/ --[a-z-]+/g) ?? []);
      for (const option of options) expect(stdout).toContain(` ${option.trim()}`);
    }
  });
});
