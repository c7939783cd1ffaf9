import { writeFile } from 'node:fs/promises';
import { startServer } from '../server/testing/running-server.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { openssl } from './testing/openssl.js';
import { runCertmill, type Ended } from './testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from './testing/work-folder.js';

let work: WorkFolder;
beforeAll(async () => {
  work = await aWorkFolder();
  const run = (args: readonly string[]) => runCertmill(args, { cwd: work.path });
  await writeFile(work.at('in.ndjson'), ndjsonOf(csrsOf(4, 'd')));
  const status = ['--status-url', 'http://status.example'];
  expect((await run(['ca', 'init', 'dev', ...status])).exitCode).toBe(0);
  const issued = await run(['issue', 'in.ndjson', '--profile', 'tls-client', '--out', 'out']);
  expect([issued.exitCode, issued.exitCode === 0 ? '' : issued.stderr]).toEqual([0, '']);
});
afterAll(() => work[Symbol.asyncDispose]());

const revoke = (...args: readonly string[]): Promise<Ended> =>
  runCertmill(['revoke', ...args, '--json'], { cwd: work.path });

async function told(...args: readonly string[]) {
  const { exitCode, stdout } = await revoke(...args);
  return { exitCode, ...(JSON.parse(stdout) as Record<string, unknown>) };
}

/** What `certmill verify` says of a certificate by the data folder alone. */
async function verified(file: string): Promise<string> {
  const args = ['verify', file, '--data', 'certmill-data'];
  return (await runCertmill(args, { cwd: work.path })).stdout;
}

test('certmill revoke holds, releases and revokes in a data folder', async () => {
  const changed = { exitCode: 0, changed: 1, unchanged: 0, refused: 0, notFound: 0 };
  expect(await told('--device', 'd-0', '--hold')).toMatchObject(changed);
  expect(await verified('out/d-0.pem')).toMatch(/NOT VALID, revoked by the record of CA dev/);
  expect(await told('--device', 'd-0', '--release')).toMatchObject(changed);
  expect(await verified('out/d-0.pem')).toMatch(/: valid$/m);
  expect(await told('--device', 'd-0', '--reason', 'keyCompromise')).toMatchObject(changed);
  expect(await verified('out/d-0.pem')).toMatch(/NOT VALID, revoked by the record of CA dev/);
  expect(await told('--device', 'd-0', '--release')).toMatchObject({ exitCode: 2, refused: 1 });
  const other = ['revoke', '--device', 'd-0', '--reason', 'superseded'];
  const { stdout } = await runCertmill(other, { cwd: work.path });
  expect(stdout).toContain('refused: the certificate is revoked for good, for another reason');
  expect(await told('--device', 'nobody')).toMatchObject({ exitCode: 2, notFound: 1 });
});

test('certmill revoke takes a list, once that is confirmed', async () => {
  await writeFile(work.at('list.csv'), 'deviceId\nd-1\nd-2\nnobody\n');
  expect((await revoke('--file', 'list.csv')).exitCode).toBe(1);
  const dry = await told('--file', 'list.csv', '--dry-run');
  expect(dry).toMatchObject({ isDryRun: true, changed: 2, notFound: 1 });
  expect(await told('--file', 'list.csv', '--yes')).toMatchObject({ changed: 2, notFound: 1 });
  const left = [{ name: 'nobody', outcome: 'not-found' }];
  expect(await told('--file', 'list.csv', '--yes')).toMatchObject({ unchanged: 2, left });
  expect(await told('--issuer', 'dve', '--yes')).toMatchObject({ exitCode: 2, notFound: 1 });
  expect(await told('--issuer', 'dev', '--yes')).toMatchObject({ changed: 1 });
});

test('certmill crl build keeps to the lifetime of the configuration', async () => {
  await writeFile(work.at('certmill.yaml'), 'crls: { lifetimeHours: 2 }\n');
  const built = async (...options: readonly string[]): Promise<number> => {
    const args = ['crl', 'build', 'dev', '--json', ...options];
    const { stdout } = await runCertmill(args, { cwd: work.path });
    const { crls } = JSON.parse(stdout) as { readonly crls: readonly { nextUpdate: string }[] };
    return (Date.parse(crls[0]?.nextUpdate ?? '') - Date.now()) / 3_600_000;
  };
  expect(await built()).toBeGreaterThan(100);
  expect(await verified('out/d-1.pem')).toMatch(/NOT VALID, revoked by CRL of dev, shard 0/);
  const configured = await built('--config', 'certmill.yaml');
  expect(configured).toBeGreaterThan(1.9);
  expect(configured).toBeLessThanOrEqual(2);
});

test('certmill crl build makes a delta on demand, with the full CRL that points to it', async () => {
  const run = (...args: readonly string[]) => runCertmill(['crl', ...args], { cwd: work.path });
  const refused = await run('build', 'dev', '--delta');
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/INVALID_INPUT: a delta needs .*deltaLifetimeHours/),
  ]);
  await writeFile(work.at('deltas.yaml'), 'crls: { deltaLifetimeHours: 24 }\n');
  const built = async (): Promise<readonly object[]> => {
    const { stdout } = await run('build', 'dev', '--delta', '--config', 'deltas.yaml', '--json');
    return (JSON.parse(stdout) as { readonly crls: readonly object[] }).crls;
  };
  expect(await built()).toMatchObject([
    { kind: 'full', entries: 4 },
    { kind: 'delta', entries: 0 },
  ]);
  expect(await built()).toMatchObject([{ kind: 'delta' }]);
  await run('fetch', 'dev', '--delta', '--pem', '--out', 'delta.pem');
  const ca = work.at('certmill-data/ca/dev/certificate.pem');
  const text = openssl('crl', '-in', work.at('delta.pem'), '-noout', '-text', '-CAfile', ca);
  expect(text).toMatch(/Delta CRL Indicator: critical/);
});

test('what was issued in a data folder is the first credential of its server to revoke', async () => {
  await writeFile(work.at('late.ndjson'), ndjsonOf(csrsOf(1, 'late')));
  const issue = ['issue', 'late.ndjson', '--profile', 'tls-client', '--out', 'late'];
  expect((await runCertmill(issue, { cwd: work.path })).exitCode).toBe(0);
  await using server = await startServer(work, '--data', 'certmill-data');
  const at = ['--server', server.url];
  const env = { CERTMILL_API_KEY: server.key ?? '' };
  const ended = await runCertmill(['revoke', ...at, '--device', 'late-0', '--json'], {
    cwd: work.path,
    env,
  });
  expect(JSON.parse(ended.stdout)).toMatchObject({ changed: 1, notFound: 0 });
  expect(await verified('late/late-0.pem')).toMatch(/NOT VALID, revoked by the record of CA dev/);

  const build = ['crl', 'build', 'dev', '--json'];
  const built = (...args: readonly string[]) =>
    runCertmill([...build, ...args], { cwd: work.path, env });
  expect(await built()).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/DATA_FOLDER_IN_USE: .*; a server .* --server URL/) as string,
  });
  expect(JSON.parse((await built(...at)).stdout)).toEqual({ issuer: 'dev', kind: 'full', crls: 1 });
  const noDeltas = await built(...at, '--delta');
  expect([noDeltas.exitCode, noDeltas.stderr]).toEqual([
    1,
    expect.stringMatching(/^.*CONFLICT: /m),
  ]);
  const sharded = await built(...at, '--shard', '0');
  expect([sharded.exitCode, sharded.stderr]).toEqual([1, expect.stringMatching(/INVALID_INPUT: /)]);
});

test.each([
  [[]],
  [['--device', 'd-0', '--serial', '01']],
  [['--serial', '01']],
  [['--device', 'd-0', '--reason', 'removeFromCRL']],
  [['--device', 'd-0', '--release', '--hold']],
  [['--device', 'd-0', '--invalidity-date', 'soon']],
  [['--device', 'd-0', '--data', 'nowhere']],
])('certmill revoke %j cannot run', async (args) => {
  expect((await revoke(...args)).exitCode).toBe(1);
});
