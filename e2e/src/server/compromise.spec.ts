import { execFileSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { walkCertificateList, walkCrlEntries } from '@certmill/der';
import { ndjsonOf } from '../testing/a-csr.js';
import { runCertmill, startCertmill } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import {
  curlAt,
  ndjsonFile,
  ndjsonUpload,
  openOrder,
  startServer,
  type Curl,
} from './testing/running-server.js';

/** CERTMILL_DRILL_POPULATION=100000 for the drill in full: some minutes. */
const population = Number(process.env['CERTMILL_DRILL_POPULATION'] ?? 1_000);
const shards = 4;
const status = ['--status-url', 'http://status.example', '--crl-shards', String(shards)];

let work: WorkFolder;
beforeAll(async () => {
  work = await aWorkFolder();
});
afterAll(() => work[Symbol.asyncDispose]());

async function certmill(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCertmill([...args], { cwd: work.path, env });
  expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
  return stdout;
}

function openssl(...args: readonly string[]): string {
  try {
    return execFileSync('openssl', args, { cwd: work.path, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return stdout + stderr;
  }
}

/** The CRLs of an issuer's shards as files in the work folder, and how many certificates they list. */
async function crlsOf(
  url: string,
  issuer: string,
): Promise<{ readonly files: readonly string[]; readonly listed: number }> {
  let listed = 0;
  const files: string[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const crl = () => fetch(`${url}/crl/${issuer}/${String(shard)}.crl`);
    let answer = await crl();
    // The first ones of an issuer that was made while the server ran come within 15 s.
    await until(async () => answer.status === 200 || (answer = await crl()).status === 200);
    const der = new Uint8Array(await answer.arrayBuffer());
    walkCrlEntries(der, walkCertificateList(der), () => ++listed > 0);
    const file = `${issuer}-${String(shard)}.crl`;
    await writeFile(work.at(file), der);
    files.push(file);
  }
  return { files, listed };
}

interface Operation {
  readonly operationId: string;
  readonly state: string;
  readonly counts: Readonly<Record<string, number>>;
}

interface Told {
  readonly state: string;
  readonly steps: readonly {
    readonly step: string;
    readonly state: string;
    readonly facts?: unknown;
    readonly would?: unknown;
  }[];
  readonly left: readonly string[];
}

/** The step that the run has in hand, as its file says. */
async function stepInHand(): Promise<string | undefined> {
  const text = await readFile(work.at('data/compromises/leave-old.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { readonly begun?: { readonly step: string } }).begun?.step;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function certificateOf(curl: Curl, deviceId: string): Promise<readonly string[]> {
  const { items } = (await curl('GET', `/v1/certificates?deviceId=${deviceId}`)).json<{
    readonly items: readonly { readonly certificate: string }[];
  }>();
  return items.map(({ certificate }) => certificate);
}

/** Why a certificate and its issuer are revoked, as `verify` finds it with the data folder alone. */
async function byTheFolder(file: string): Promise<readonly (string | undefined)[]> {
  const args = ['verify', file, '--data', 'data', '--json'];
  const { exitCode, stdout } = await runCertmill(args, { cwd: work.path });
  expect(exitCode).toBe(2);
  const [found] = (JSON.parse(stdout) as { readonly certificates: readonly Found[] }).certificates;
  return (found?.path ?? []).slice(0, 2).map(({ status: told }) => told?.reason);
}

interface Found {
  readonly path: readonly { readonly status?: { readonly reason?: string } }[];
}

test('a population leaves a compromised issuer by one command, which is killed and typed again', async () => {
  await certmill({}, 'ca', 'init', 'old', '--data', 'data', ...status);
  await certmill({}, 'ca', 'issue', 'revoked', '--under', 'root', '--data', 'data', ...status);
  // With deltas full CRLs are made by time alone, and who asks for no deltas knows no more than they do.
  await writeFile(work.at('certmill.yaml'), 'crls: { deltaLifetimeHours: 24 }\n');
  await using server = await startServer(work, '--config', 'certmill.yaml');
  const key = server.key ?? '';
  const env = { CERTMILL_SERVER: server.url, CERTMILL_API_KEY: key };
  const curl = curlAt(server.url, key, work.path);
  await curl('POST', '/v1/orders', ...openOrder('spring', { quota: population }));
  const csrs = await ndjsonFile(work, 'csrs.ndjson', population);
  const upload = [...ndjsonUpload('first'), '--data-binary', '@csrs.ndjson'];
  const batch = await curl('POST', '/v1/orders/spring/batches', ...upload);
  await curl('GET', `${batch.location}/certificates?follow=true`, '-o', 'first.pem');

  // Some have renewed under a CA that is revoked since: what they have of the old one is all they have.
  await curl('POST', '/v1/orders', ...openOrder('renewed', { issuer: 'revoked', renews: true }));
  await writeFile(work.at('renewed.ndjson'), ndjsonOf(csrs.slice(0, 3)));
  const renewal = [...ndjsonUpload('renewed'), '--data-binary', '@renewed.ndjson'];
  const { location } = await curl('POST', '/v1/orders/renewed/batches', ...renewal);
  await curl('GET', `${location}/certificates?follow=true`, '-o', 'renewed.pem');
  const reason = ['--reason', 'cACompromise'];
  await certmill({}, 'ca', 'revoke', 'revoked', ...reason, '--data', 'data');
  await until(async () =>
    (await curl('GET', '/v1/issuers/revoked')).body.includes('revoked: CN=revoked'),
  );

  const leave = ['ca', 'compromise', 'old', '--to', 'new', '--data', 'data', '--json'];
  const dry = JSON.parse(await certmill(env, ...leave, '--dry-run')) as Told;
  expect(dry.steps.map(({ step, would }) => [step, would])).toEqual([
    ['successor', { isThere: false, under: 'root', isKeyAtHand: true }],
    ['close', { orders: 1, open: 1 }],
    ['drain', { inFlight: 0, deadLettered: 0 }],
    ['reissue', { 'tls-client': population }],
    ['revoke', { revoked: population, before: 0, pending: 0 }],
    ['crls', expect.objectContaining({ crls: shards })],
    ['revoke-ca', { certificates: 1, elsewhere: 0 }],
    ['parent-crl', { isKeyAtHand: true }],
  ]);
  expect((await readdir(work.at('data/ca'))).includes('new')).toBe(false);

  // Killed while it reissues, and while it waits for CRLs; then typed to its end, and once more.
  const typed = [...leave, '--rate', String(population), '--yes'];
  const killedWhere = async (isThere: () => Promise<boolean>): Promise<void> => {
    const running = startCertmill(typed, { cwd: work.path, env });
    let hasEnded = false;
    void running.ended.then(() => (hasEnded = true));
    await until(async () => hasEnded || (await isThere()));
    running.child.kill('SIGKILL');
    // On a full machine it may be past the place, or through, before it is seen there.
    expect([null, 0]).toContain((await running.ended).exitCode);
  };
  await killedWhere(async () => {
    const { status: code, body } = await curl('GET', '/v1/operations/leave-old-reissue-1');
    return code === 200 && (JSON.parse(body) as Operation).counts['submitted']! > 0;
  });
  const refused = await curl('POST', '/v1/orders', ...openOrder('late', { issuer: 'old' }));
  expect([refused.status, refused.body]).toEqual([400, expect.stringContaining('is given up')]);
  await killedWhere(async () => {
    const step = await stepInHand();
    return step === undefined || ['crls', 'revoke-ca', 'parent-crl'].includes(step);
  });
  const told = JSON.parse(await certmill(env, ...typed)) as Told;
  expect(told).toMatchObject({ state: 'done', left: [] });
  expect(Object.fromEntries(told.steps.map(({ step, facts }) => [step, facts]))).toMatchObject({
    successor: { name: 'new', isMade: true },
    close: { orders: 1 },
    drain: { profiles: ['tls-client'], issued: population },
    reissue: { issued: population, skipped: 0, rejected: 0, deadLettered: 0 },
    revoke: { revoked: population, before: 0, pending: 0, reason: 'superseded' },
    crls: { crls: shards, entries: population },
    'revoke-ca': { certificates: 1, reason: 'cACompromise' },
    'parent-crl': { files: [join('data', 'ca', 'root', 'ca.crl')] },
  });
  expect(JSON.parse(await certmill(env, ...typed))).toEqual(told);
  const operations = (await curl('GET', '/v1/operations')).json<{ items: Operation[] }>();
  expect(operations.items.map(({ operationId, state }) => [operationId, state]).sort()).toEqual([
    ['leave-old-reissue-1', 'done'],
    ['leave-old-revoke', 'done'],
  ]);
  // Of the old, the revoked and the new one, which was made once.
  expect(await readdir(work.at('data/ca/root/issued'))).toHaveLength(3);
  const other = await runCertmill([...typed, '--reason', 'superseded'], { cwd: work.path, env });
  expect([other.exitCode, other.stderr]).toEqual([
    1,
    expect.stringContaining("CONFLICT: the run 'leave-old' was begun with reason cACompromise"),
  ]);

  const old = await crlsOf(server.url, 'old');
  const next = await crlsOf(server.url, 'new');
  expect([old.listed, next.listed]).toEqual([population, 0]);
  const before = ['-crl_check_all', '-x509_strict', '-CAfile', 'data/ca/root/certificate.pem'];
  const rootCrl = new Uint8Array(
    await (await fetch(`${server.url}/crl/root/ca.crl`)).arrayBuffer(),
  );
  await writeFile(work.at('root.crl'), rootCrl);
  const lists = (files: readonly string[]) =>
    ['root.crl', ...files].flatMap((f) => ['-CRLfile', f]);
  for (const device of [0, population - 1].map((index) => `csrs.ndjson-${String(index)}`)) {
    const [newer = '', ...others] = await certificateOf(curl, device);
    expect(others).toHaveLength(device.endsWith('-0') ? 2 : 1);
    const older = others.at(-1) ?? '';
    await writeFile(work.at('newer.pem'), newer);
    await writeFile(work.at('older.pem'), older);
    const keys = ['newer.pem', 'older.pem'].map((file) =>
      openssl('x509', '-in', file, '-noout', '-pubkey'),
    );
    expect(keys[0]).toBe(keys[1]);
    const verify = (file: string, issuer: string, crls: readonly string[]) =>
      openssl(
        ...['verify', ...before, '-untrusted', `data/ca/${issuer}/certificate.pem`],
        ...[...lists(crls), file],
      );
    expect(verify('newer.pem', 'new', next.files)).toContain('newer.pem: OK');
    expect(verify('older.pem', 'old', old.files)).toContain('certificate revoked');
    // The folder says the same, beside the server that works in it.
    await certmill({}, 'verify', 'newer.pem', '--data', 'data', '--status', 'all');
    expect(await byTheFolder('older.pem')).toEqual(['superseded', 'cACompromise']);
  }
  await server.stop();
  expect(await byTheFolder('older.pem')).toEqual(['superseded', 'cACompromise']);
  // What the root has noted counts before and without its CRL.
  await rm(work.at('data/ca/root/ca.crl'));
  expect(await byTheFolder('older.pem')).toEqual(['superseded', 'cACompromise']);
  const verified = await runCertmill(['verify-store', '--data', 'data'], { cwd: work.path });
  expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining('sound')]);
}, 1_200_000);

test('the last issuer of a folder is left, though the run and the server are killed on the way', async () => {
  const lone = ['--data', 'lone'];
  await certmill({}, 'ca', 'init', 'lone', ...lone, ...status);
  await using server = await startServer(work, ...lone);
  const key = server.key ?? '';
  const curl = curlAt(server.url, key, work.path);
  await curl('POST', '/v1/orders', ...openOrder('spring'));
  const count = 200;
  await ndjsonFile(work, 'lone.ndjson', count);
  const upload = [...ndjsonUpload('lone'), '--data-binary', '@lone.ndjson'];
  const { location } = await curl('POST', '/v1/orders/spring/batches', ...upload);
  await curl('GET', `${location}/certificates?follow=true`, '-o', 'issued.pem');

  const how = ['--no-reissue', '--revoke-first', '--rate', String(count / 4)];
  const leave = ['ca', 'compromise', 'lone', ...lone, ...how, '--yes', '--json'];
  const envAt = ({ url }: { readonly url: string }) => ({
    CERTMILL_SERVER: url,
    CERTMILL_API_KEY: key,
  });
  const first = startCertmill(leave, { cwd: work.path, env: envAt(server) });
  await until(async () => {
    const { status: code, body } = await curl('GET', '/v1/operations/leave-lone-revoke');
    return code === 200 && (JSON.parse(body) as Operation).counts['changed']! > 0;
  });
  first.child.kill('SIGKILL');
  server.child.kill('SIGKILL');
  await Promise.all([first.ended, server.ended]);

  await using again = await startServer(work, ...lone);
  const [warning] = await again.notes(/^.*no issuer takes uploads.*$/m);
  expect(JSON.parse(warning)).toMatchObject({
    level: 40,
    issuers: 1,
    reasons: [expect.stringMatching(/^issuer 'lone' is revoked: CN=lone .*, cACompromise, at /)],
  });
  const then = curlAt(again.url, key, work.path);
  expect((await then('GET', '/readyz')).json()).toEqual({ status: 'ready' });
  for (const [wish, code] of [
    [{}, 409],
    [{ issuer: 'lone' }, 400],
  ] as const) {
    const refused = await then('POST', '/v1/orders', ...openOrder('late', wish));
    expect([refused.status, refused.body]).toEqual([
      code,
      expect.stringMatching(/'lone'.* is (revoked|given up)/),
    ]);
  }
  const more = await then('POST', '/v1/orders/spring/batches', ...upload);
  expect(more.status).toBe(409);
  await then('GET', `${location}/certificates`, '-o', 'fetched.pem');
  expect(await readFile(work.at('fetched.pem'))).toEqual(await readFile(work.at('issued.pem')));
  const ca = (name: string) => `lone/ca/${name}/certificate.pem`;
  const ask = ['-CAfile', ca('root'), '-issuer', ca('root'), '-cert', ca('lone')];
  const told = openssl('ocsp', ...ask, '-url', `${again.url}/ocsp`);
  expect(told).toMatch(/: revoked\n[^]*Reason: cACompromise/);

  const done = JSON.parse(await certmill(envAt(again), ...leave)) as Told;
  expect(done).toMatchObject({ state: 'done', left: [] });
  expect(Object.fromEntries(done.steps.map(({ step, facts }) => [step, facts]))).toMatchObject({
    revoke: { revoked: count, before: 0, pending: 0, reason: 'keyCompromise' },
    crls: { crls: shards, entries: count },
  });
  expect((await crlsOf(again.url, 'lone')).listed).toBe(count);
  await again.stop();
  const built = JSON.parse(await certmill({}, 'crl', 'build', 'lone', ...lone, '--json')) as {
    readonly crls: readonly { readonly entries: number }[];
  };
  expect(built.crls.reduce((sum, { entries }) => sum + entries, 0)).toBe(count);
  const issuing = ['issue', 'lone.ndjson', '--profile', 'tls-client', '--out', 'out', ...lone];
  for (const wish of [[], ['--issuer', 'lone']]) {
    const issued = await runCertmill([...issuing, ...wish], { cwd: work.path });
    expect([issued.exitCode, issued.stderr]).toEqual([
      1,
      expect.stringMatching(/'lone'.* is revoked: CN=lone .*, cACompromise/),
    ]);
  }
}, 1_200_000);
