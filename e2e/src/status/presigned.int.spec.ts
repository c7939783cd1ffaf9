import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcspFile } from '@certmill/adapter-embedded';
import { OcspIssuers, type AnswerPorts } from '@certmill/pipeline';
import { replyToStatusCall, startStatusHttp } from '@certmill/platform';
import { loadIssuers, openSerialKeys } from '@certmill/trust';
import { aDataFolder, aServer, aServerIn, type TestServer } from '../http/test-server.js';
import {
  changeOf,
  issueFiles,
  revoke,
  run,
  serialOf,
  type IssuedFiles,
} from './certificate-holder.js';

let server: TestServer;
let files: IssuedFiles;
let nowMs = Date.now();

beforeAll(async () => {
  const issuers = { dev: { presign: 'all', presignedHours: 3 } };
  // So long that what a thread kept of before a change is found out.
  const status = { port: 0, cachedMs: 600_000 };
  server = await aServer(
    {},
    {},
    {
      config: { ocsp: { issuers }, status },
    },
  );
  files = await issueFiles(server, 5);
});

afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A validation authority that has the issuers' certificates, serial keys and responses; no key. */
async function keyless({ data }: Pick<TestServer, 'data'> = server): Promise<
  { readonly url: string } & AsyncDisposable
> {
  const issuers = new OcspIssuers(await loadIssuers(data));
  const { all } = await openSerialKeys(data);
  const presigned = new OcspFile(join(data, 'ocsp-responses.sqlite'));
  const ports: AnswerPorts = {
    issuers,
    clock: { nowMs: () => nowMs },
    serialKeys: new Map(all.map((key) => [key.id, key])),
    presigned,
  };
  const limits = { cachedMs: 0, maxAgeSeconds: 60 };
  const observer = { answered: () => undefined, fault: () => undefined };
  const http = await startStatusHttp({
    config: {
      host: '127.0.0.1',
      port: 0,
      threads: 2,
      maxConnections: 100,
      cachedAnswers: 0,
      cachedBytes: 0,
      repositoryCallsAtOnce: 1,
      ...limits,
    },
    echoesNonces: false,
    reply: (call) => replyToStatusCall(ports, call, nowMs, { limits, observer }),
    onLost: (error) => {
      throw error;
    },
  });
  return {
    url: `${http.url}/ocsp`,
    async [Symbol.asyncDispose]() {
      await http.stop(1_000);
      await presigned.stop();
    },
  };
}

/** What OpenSSL says of a certificate, once the authority says anything of it. */
async function told(url: string, index: number, wanted: RegExp, ...options: readonly string[]) {
  return toldOf(files, url, index, wanted, options);
}

async function toldOf(
  { chain, issuer, certificates }: IssuedFiles,
  url: string,
  index: number,
  wanted: RegExp,
  options: readonly string[] = [],
) {
  const ask = ['ocsp', '-CAfile', chain, '-issuer', issuer, '-url', url, ...options];
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { text } = await run('openssl', ...ask, '-cert', certificates[index] ?? '');
    if (wanted.test(text) || Date.now() > deadline) return text;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('responses are signed after publication, and served without any key', async () => {
  await using authority = await keyless();
  for (const options of [[], ['-sha256'], ['-no_nonce']]) {
    const text = await told(authority.url, 0, /: good/, ...options);
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(/device-0\.pem: good/);
  }
  const asked = files.certificates.slice(0, 2).flatMap((file) => ['-cert', file]);
  const several = ['ocsp', '-issuer', files.issuer, '-url', authority.url, ...asked];
  expect((await run('openssl', ...several)).text).toContain('unauthorized (6)');
});

test('the API serves what was signed ahead too, and not again to who has it', async () => {
  await using authority = await keyless();
  await told(authority.url, 0, /: good/);
  const request = join(files.directory, 'api.der');
  const make = ['-issuer', files.issuer, '-cert', files.certificates[0] ?? '', '-no_nonce'];
  await run('openssl', 'ocsp', ...make, '-reqout', request);
  const path = `/ocsp/${encodeURIComponent((await readFile(request)).toString('base64'))}`;
  const first = await server.call('GET', path, { key: null });
  const tags = { 'if-none-match': first.headers.get('etag') ?? '' };
  const again = await server.call('GET', path, { key: null, headers: tags });
  expect([first.status, again.status]).toEqual([200, 304]);
});

test('threads of the status face read them by themselves, and tell a revocation as soon', async () => {
  const { status } = server.server;
  const url = `${status?.url ?? ''}/ocsp`;
  await using authority = await keyless();
  // Each thread asks the main one about the issuer first.
  for (let i = 0; i < 20 && status?.answersOfThreads().read === 0; i += 1) {
    await told(authority.url, 2 + (i % 2), /: good/);
    expect(await told(url, 2 + (i % 2), /: good/, '-no_nonce')).toContain('Response verify OK');
  }
  expect(status?.answersOfThreads().read).toBeGreaterThan(0);
  await revoke(server, files, 2, 'affiliationChanged');
  const text = await told(url, 2, /: revoked/, '-no_nonce');
  expect(text).toContain('Response verify OK');
  expect(text).toMatch(/Reason: affiliationChanged/);
  // What is in no file is for the main thread, which has a responder's key.
  const unknown = ['-issuer', files.issuer, '-serial', `0x01${'ab'.repeat(19)}`, '-no_nonce'];
  expect((await run('openssl', 'ocsp', ...unknown, '-url', url)).text).toMatch(/: unknown/);
});

test('a revocation makes them anew', async () => {
  await using authority = await keyless();
  await revoke(server, files, 1, 'keyCompromise');
  const text = await told(authority.url, 1, /: revoked/);
  expect(text).toContain('Response verify OK');
  expect(text).toMatch(/Reason: keyCompromise/);
  expect(await told(authority.url, 0, /: good/)).toMatch(/device-0\.pem: good/);
});

test('a revocation by HTTP makes them anew, and once more where it is repeated', async () => {
  await using authority = await keyless();
  const serial = (await serialOf(files.certificates[3] ?? '')).toString('hex');
  const path = `/v1/certificates/${serial}/revocation`;
  for (const outcome of ['changed', 'unchanged']) {
    const answer = await server.call('POST', path, { json: { reason: 'superseded' } });
    expect(await answer.json()).toMatchObject({ outcome });
    expect(await server.server.issuance.store.count('ocsp-presign', 'waiting')).toBeGreaterThan(0);
    const text = await told(authority.url, 3, /: revoked/);
    expect(text).toMatch(/Reason: superseded/);
    await whenSigned();
  }
});

/** No chunk waits for its responses. */
async function whenSigned(): Promise<void> {
  const { store } = server.server.issuance;
  while ((await store.count('ocsp-presign', 'waiting')) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('what was published and revoked before responses were signed ahead is told from then on', async () => {
  await using folder = await aDataFolder();
  const older = await issuedBefore(folder.path);
  const config = { ocsp: { presign: 'all', presignedHours: 3 } };
  await using after = await aServerIn(folder.path, { config });
  await using authority = await keyless(after);
  expect(await toldOf(older, authority.url, 0, /: good/)).toMatch(/device-0\.pem: good/);
  expect(await toldOf(older, authority.url, 1, /: revoked/)).toMatch(/Reason: keyCompromise/);
  await older[Symbol.asyncDispose]();
});

/** By a server that signs nothing ahead; one of them is revoked. */
async function issuedBefore(data: string): Promise<IssuedFiles> {
  await using before = await aServerIn(data);
  const issued = await issueFiles(before, 3);
  await revoke(before, issued, 1, 'keyCompromise');
  return issued;
}

test('what was signed ahead before a while without it is told to nobody', async () => {
  await using folder = await aDataFolder();
  const file = join(folder.path, 'ocsp-responses.sqlite');
  const ahead = { config: { ocsp: { presign: 'all' }, status: { port: 0 } } };
  const urlOf = (server: TestServer) => `${server.server.status?.url ?? ''}/ocsp`;
  let older: IssuedFiles;
  {
    await using before = await aServerIn(folder.path, ahead);
    older = await issueFiles(before, 2);
    await using authority = await keyless(before);
    expect(await toldOf(older, authority.url, 0, /: good/)).toMatch(/device-0\.pem: good/);
  }
  {
    await using without = await aServerIn(folder.path, { config: { status: { port: 0 } } });
    expect(existsSync(file)).toBe(false);
    await revoke(without, older, 0, 'keyCompromise');
    expect(await toldOf(older, urlOf(without), 0, /./)).toMatch(/: revoked/);
  }
  await using again = await aServerIn(folder.path, ahead);
  expect(await toldOf(older, urlOf(again), 0, /./, ['-no_nonce'])).toMatch(/: revoked/);
  await using authority = await keyless(again);
  expect(await toldOf(older, authority.url, 0, /: revoked/)).toMatch(/Reason: keyCompromise/);
  expect(await toldOf(older, authority.url, 1, /: good/)).toMatch(/device-1\.pem: good/);
  await older[Symbol.asyncDispose]();
});

test('a revocation of which nobody was told is found by itself', async () => {
  await using authority = await keyless();
  await told(authority.url, 4, /: good/);
  const { store } = server.server.issuance;
  const outcomes = await store.changeStatuses([await changeOf(files, 4, 'superseded')]);
  expect(outcomes).toEqual(['changed']);
  expect(await told(authority.url, 4, /: revoked/)).toMatch(/Reason: superseded/);
});

test('nobody is told of numbers that nothing was signed for', async () => {
  await using authority = await keyless();
  const serial = `0x01${'ab'.repeat(19)}`;
  const ask = ['ocsp', '-issuer', files.issuer, '-serial', serial, '-url', authority.url];
  expect((await run('openssl', ...ask)).text).toContain('unauthorized (6)');
});

test('past nextUpdate it says that it cannot say, not what was', async () => {
  await using authority = await keyless();
  nowMs += 4 * 3_600_000;
  try {
    expect(await told(authority.url, 0, /trylater/)).toContain('trylater (3)');
  } finally {
    nowMs = Date.now();
  }
});

test('curl GETs a pre-signed answer that openssl verifies', async () => {
  await using authority = await keyless();
  const request = join(files.directory, 'request.der');
  const make = ['-issuer', files.issuer, '-cert', files.certificates[0] ?? ''];
  await run('openssl', 'ocsp', ...make, '-no_nonce', '-reqout', request);
  const path = encodeURIComponent((await readFile(request)).toString('base64'));
  const answer = join(files.directory, 'answer.der');
  await writeFile(answer, '');
  await run('curl', '-sS', '-o', answer, `${authority.url}/${path}`);
  const { text } = await run(
    'openssl',
    ...['ocsp', '-respin', answer, '-CAfile', files.chain, ...make, '-no_nonce'],
  );
  expect(text).toContain('Response verify OK');
  expect(text).toMatch(/: good/);
});
