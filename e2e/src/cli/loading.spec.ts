import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCertmill } from './testing/run-certmill.js';

/** Says on stderr, at the end, which packages were loaded. */
const hook = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  const loaded = new Set();
  registerHooks({
    load(url, context, next) {
      const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)|\\/((?:libs|apps)\\/[^/]+)/.exec(url);
      if (name !== null) loaded.add(name[1] ?? name[2]);
      return next(url, context);
    },
  });
  process.on('exit', () => process.stderr.write(JSON.stringify([...loaded])));
`)}`;

/** What a server needs, and no command in a data folder: some 0.1 s of CPU. */
const ofServers = [
  'libs/platform',
  'libs/signing',
  'piscina',
  'prom-client',
  '@opentelemetry/api',
  '@peculiar/x509',
];

describe('a command', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'certmill-loading-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const loadedBy = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { stderr } = await runCertmill(args, { env: { NODE_OPTIONS: `--import ${hook}` } });
    return JSON.parse(stderr) as string[];
  };

  it.each([
    [['ca', 'show']],
    [['ca', 'init', '--help']],
    [['revoke', '--help']],
    [['audit', '--help']],
    [['backup', '--help']],
    [['crl', '--help']],
    [['serve', '--help']],
  ])('that needs no server loads none: %j', async (args) => {
    const data = args.includes('--help') ? [] : ['--data', folder];
    const loaded = await loadedBy(...args, ...data);
    expect(loaded).toContain('libs/domain');
    expect(loaded.filter((name) => ofServers.includes(name))).toEqual([]);
  });

  it('that reads the configuration of a server loads one', async () => {
    const config = join(folder, 'certmill.yaml');
    await writeFile(config, 'logLevel: warn\n');
    const loaded = await loadedBy('ca', 'show', '--data', folder, '--config', config);
    expect(loaded).toEqual(expect.arrayContaining(['libs/platform', 'libs/signing', 'piscina']));
  });
});
