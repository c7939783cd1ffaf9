import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { walkCertificateList, walkCrlEntries } from '@certmill/der';
import { runCertmill } from '../cli/testing/run-certmill.js';
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

/** The CRLs of an issuer's shards, once they list so many certificates; files in the work folder. */
async function crlsWith(url: string, issuer: string, revoked: number): Promise<readonly string[]> {
  for (;;) {
    let listed = 0;
    const files: string[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      const answer = await fetch(`${url}/crl/${issuer}/${String(shard)}.crl`);
      if (answer.status !== 200) break;
      const der = new Uint8Array(await answer.arrayBuffer());
      walkCrlEntries(der, walkCertificateList(der), () => ++listed > 0);
      const file = `${issuer}-${String(shard)}.crl`;
      await writeFile(work.at(file), der);
      files.push(file);
    }
    if (files.length === shards && listed === revoked) return files;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function certificateOf(curl: Curl, deviceId: string): Promise<readonly string[]> {
  const { items } = (await curl('GET', `/v1/certificates?deviceId=${deviceId}`)).json<{
    readonly items: readonly { readonly certificate: string }[];
  }>();
  return items.map(({ certificate }) => certificate);
}

test('a population leaves a compromised issuer: reissued, revoked, published', async () => {
  await certmill({}, 'ca', 'init', 'old', '--data', 'data', ...status);
  await using server = await startServer(work);
  const key = server.key ?? '';
  const env = { CERTMILL_SERVER: server.url, CERTMILL_API_KEY: key };
  const curl = curlAt(server.url, key, work.path);
  await curl('POST', '/v1/orders', ...openOrder('spring', { quota: population }));
  await ndjsonFile(work, 'csrs.ndjson', population);
  const upload = [...ndjsonUpload('first'), '--data-binary', '@csrs.ndjson'];
  const batch = await curl('POST', '/v1/orders/spring/batches', ...upload);
  await curl('GET', `${batch.location}/certificates?follow=true`, '-o', 'first.pem');

  await certmill(env, 'order', 'close', 'spring');
  await certmill({}, 'ca', 'issue', 'new', '--under', 'root', '--data', 'data', ...status);
  const to = ['--to-issuer', 'new', '--to-profile', 'tls-client'];
  await certmill(env, 'mass', 'reissue', 'move-1', '--issuer', 'old', ...to, '--yes');
  const moved = await certmill(env, 'mass', 'watch', 'move-1', '--json');
  expect(JSON.parse(moved)).toMatchObject({
    state: 'done',
    counts: { selected: population, submitted: population, issued: population, rejected: 0 },
  });
  const why = ['--reason', 'cACompromise'];
  await certmill(env, 'mass', 'revoke', 'end-1', '--issuer', 'old', ...why, '--yes');
  const ended = await certmill(env, 'mass', 'watch', 'end-1', '--json');
  expect(JSON.parse(ended)).toMatchObject({
    state: 'done',
    counts: { selected: population, changed: population, refused: 0, pending: 0 },
  });
  const oldCrls = await crlsWith(server.url, 'old', population);
  const newCrls = await crlsWith(server.url, 'new', 0);
  const before = ['-crl_check_all', '-x509_strict', '-CAfile', 'data/ca/root/certificate.pem'];

  await certmill({}, 'ca', 'revoke', 'old', '--data', 'data', ...why);
  await certmill({}, 'ca', 'crl', 'root', '--data', 'data', '--out', 'root.crl');
  const lists = (files: readonly string[]) =>
    ['root.crl', ...files].flatMap((f) => ['-CRLfile', f]);
  for (const device of [0, population - 1].map((index) => `csrs.ndjson-${String(index)}`)) {
    const [newer = '', older = '', ...more] = await certificateOf(curl, device);
    expect(more).toEqual([]);
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
    expect(verify('newer.pem', 'new', newCrls)).toContain('newer.pem: OK');
    expect(verify('older.pem', 'old', oldCrls)).toContain('certificate revoked');
  }
  await server.stop();
  const verified = await runCertmill(['verify-store', '--data', 'data'], { cwd: work.path });
  expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining('sound')]);
}, 1_200_000);
