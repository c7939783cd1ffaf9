import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { pemEncode } from '@certmill/der';
import {
  crlShardOf,
  type BatchId,
  type CertificateChange,
  type StatusAddresses,
} from '@certmill/domain';
import { buildCrl, defaultCrlPolicy, type CrlKind, type CrlPolicy } from '@certmill/pipeline';
import { crlStateSchema } from '@certmill/platform';
import type { CrlScope } from '@certmill/ports';
import { openCrls } from '@certmill/standalone/folder';
import {
  createHierarchy,
  distinguishedNameDer,
  importCaCrl,
  issueAuthority,
  issueCaCrl,
  issuerPathsOf,
  loadIssuer,
  rekeyAuthority,
  renewAuthority,
  revokeAuthority,
} from '@certmill/trust';
import { run as runProgram } from '../status/certificate-holder.js';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import {
  aDataFolder,
  aServer,
  aServerIn,
  anOrder,
  ndjson,
  passphrase,
  type TestServer,
  type TestSetup,
} from './test-server.js';

const status: StatusAddresses = { baseUri: 'http://pki.example', crlShards: 4 };
interface Issued {
  readonly file: string;
  readonly crlPath: string;
  readonly scope: CrlScope;
  readonly certificate: x509.X509Certificate;
  readonly batchId: BatchId;
}

/** A server whose issuer has four shards, with an order of a profile whose certificates name them. */
async function aRevocableServer(setup: TestSetup = {}): Promise<TestServer> {
  const server = await aServer({}, {}, { status, ...setup });
  await anOrder(server, 'o');
  return server;
}

async function enrol(server: TestServer, device: string): Promise<Issued> {
  const answer = await server.call('POST', `/v1/orders/o/certificates?deviceId=${device}`, {
    headers: { 'content-type': 'application/pkcs10', accept: 'application/pkix-cert' },
    body: new Uint8Array(aCsr(device)),
  });
  expect(answer.status).toBe(201);
  const der = new Uint8Array(await answer.arrayBuffer());
  const file = join(server.data, `${device}.pem`);
  await writeFile(file, pemEncode('CERTIFICATE', der));
  const certificate = new x509.X509Certificate(der);
  const points = certificate.getExtension(x509.CRLDistributionPointsExtension);
  const [name] = points?.distributionPoints[0]?.distributionPoint?.fullName ?? [];
  const crlPath = name?.uniformResourceIdentifier?.replace(status.baseUri, '') ?? '';
  const [found] = await server.server.issuance.store.findByDevice('default', device, 1);
  const { batchId, index } = found!;
  const shard = crlShardOf(batchId, index, status.crlShards);
  return { file, crlPath, scope: { issuer: 'dev', shard }, certificate, batchId };
}

function change(server: TestServer, issued: Issued, to: CertificateChange) {
  const { certificate, scope, batchId } = issued;
  return server.server.issuance.store.changeStatuses([
    {
      tenant: 'default',
      batchId,
      index: 0,
      scope,
      serialNumber: Buffer.from(certificate.serialNumber.padStart(40, '0'), 'hex'),
      notAfterMs: certificate.notAfter.getTime(),
      change: to,
    },
  ]);
}

const compromised = (): CertificateChange => ({
  kind: 'revoke',
  reason: 'keyCompromise',
  revokedAtMs: Date.now() - 5_000,
  invalidityDateMs: Date.now() - 3_600_000,
});

/** A new CRL with what was changed before, made at once: beside the server's own, of which one wins. */
async function crlAfter(
  server: TestServer,
  scope: CrlScope,
  kind: CrlKind,
  policy: CrlPolicy = defaultCrlPolicy,
): Promise<Uint8Array> {
  const { store, signer, services } = server.server.issuance;
  const ports = { revocations: store, crls: store, signer, clock: services.clock };
  const changes = await store.countChanges(scope);
  await buildCrl(ports, policy, scope, kind);
  const crl = await store.getCrl(scope, kind);
  expect(crl).toMatchObject({ changes });
  return crl!.der;
}

async function crlState(server: TestServer): Promise<ReturnType<typeof crlStateSchema.parse>> {
  return crlStateSchema.parse(await (await server.call('GET', '/v1/issuers/dev/crls')).json());
}

/** Status and body of a call for CRLs. */
async function demanded(
  server: TestServer,
  json?: object,
  { issuer = 'dev', key = server.key } = {},
): Promise<readonly [number, unknown]> {
  const body = json === undefined ? {} : { json };
  const answer = await server.call('POST', `/v1/issuers/${issuer}/crls`, { key, ...body });
  return [answer.status, await answer.json()];
}

/** All shards have a CRL: the server makes them when it starts. */
async function firstCrls(server: TestServer): Promise<void> {
  for (let shard = 0; shard < status.crlShards;) {
    const path = `/crl/dev/${String(shard)}.crl`;
    if ((await server.call('HEAD', path, { key: null })).status === 200) shard += 1;
    else await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As anybody gets it, once it is the one in force: for a second it may be the one before. */
async function served(server: TestServer, path: string): Promise<Uint8Array> {
  const [, shard] = /(\d+)\.crl$/.exec(path) ?? [];
  const scope = { issuer: 'dev', shard: Number(shard) };
  for (;;) {
    // The server may make another one at any time.
    const inForce = await server.server.issuance.store.getCrl(scope, 'full');
    const answer = await server.call('GET', path, { key: null });
    expect(answer.headers.get('content-type')).toBe('application/pkix-crl');
    const der = new Uint8Array(await answer.arrayBuffer());
    if (Buffer.compare(der, inForce!.der) === 0) return der;
  }
}

function run(program: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return stdout + stderr;
}

async function pemFile(server: TestServer, name: string, der: Uint8Array): Promise<string> {
  const file = join(server.data, name);
  await writeFile(file, pemEncode('X509 CRL', der));
  return file;
}

/** `openssl verify` of the whole chain, with the root's CRL and those given. */
async function verified(
  server: TestServer,
  certificateFile: string,
  crlFiles: readonly string[],
  options: readonly string[] = [],
): Promise<string> {
  const ca = join(server.data, 'ca');
  const place = { directory: server.data, name: 'root', passphrase };
  const { der } = await issueCaCrl(place, 86_400, Date.now());
  const rootCrl = await pemFile(server, 'root.crl', der);
  return run('openssl', [
    ...['verify', '-crl_check_all', '-x509_strict', ...options],
    ...['-CAfile', join(ca, 'root', 'certificate.pem')],
    ...['-untrusted', join(ca, 'dev', 'certificate.pem')],
    ...[rootCrl, ...crlFiles].flatMap((file) => ['-CRLfile', file]),
    certificateFile,
  ]);
}

describe('CRLs of a server', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await aRevocableServer({ config: { status: { port: 0 } } });
    await firstCrls(server);
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  it('tell a revoked certificate from a good one, shard by shard, to openssl', async () => {
    const [good, bad] = [await enrol(server, 'good'), await enrol(server, 'bad')];
    expect(bad.crlPath).toBe(`/crl/dev/${String(bad.scope.shard)}.crl`);
    expect(await crlState(server)).toMatchObject({
      ...{ shards: 4, missing: 0, behind: 0, changes: 0 },
      full: { crls: 4, behind: 0, entries: 0, changes: 0 },
      delta: { crls: 0 },
    });
    expect(await change(server, bad, compromised())).toEqual(['changed']);
    await crlAfter(server, bad.scope, 'full');
    expect(await crlState(server)).toMatchObject({ behind: 0, full: { behind: 0, entries: 1 } });
    for (const path of ['/v1/issuers/other/crls', '/v1/issuers/other']) {
      const unknown = await server.call('GET', path);
      expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'NOT_FOUND' }]);
    }
    const issuer = await (await server.call('GET', '/v1/issuers/dev')).json();
    expect(issuer).toEqual({ issuer: 'dev', takesOrders: true, takesUploads: true });
    const files: string[] = [];
    for (const { crlPath, scope } of [good, bad]) {
      files.push(
        await pemFile(server, `${String(scope.shard)}.crl`, await served(server, crlPath)),
      );
    }
    expect(await verified(server, good.file, files)).toContain('good.pem: OK');
    expect(await verified(server, bad.file, files)).toMatch(/certificate revoked/);
    const text = run('openssl', ['crl', '-in', files[1]!, '-noout', '-text']);
    expect(text).toMatch(/Issuing Distribution Point: critical/);
    expect(text).toContain('Key Compromise');
    expect(text).toMatch(/Invalidity Date/);
  });

  it('of another shard say nothing of a certificate: verification fails', async () => {
    const good = await enrol(server, 'other');
    const other = { ...good.scope, shard: (good.scope.shard + 1) % status.crlShards };
    const crl = await server.server.issuance.store.getCrl(other, 'full');
    const file = await pemFile(server, 'other.crl', crl!.der);
    expect(await verified(server, good.file, [file])).toMatch(/different CRL scope/);
  });

  it('are made on demand for those who may revoke, once however often they are asked for', async () => {
    const { store } = server.server.issuance;
    const scope = { issuer: 'dev', shard: 3 };
    const numberNow = async () => (await store.describeCrl(scope, 'full'))?.crlNumber;
    const before = await numberNow();
    const asked = await Promise.all([
      demanded(server),
      demanded(server, {}),
      demanded(server, { kind: 'full' }),
    ]);
    const made = [202, { issuer: 'dev', kind: 'full', crls: 4 }];
    expect(asked).toEqual([made, made, made]);
    while ((await numberNow()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await demanded(server, { kind: 'delta' })).toMatchObject([409, { code: 'CONFLICT' }]);
    expect(await demanded(server, { kind: 'half' })).toMatchObject([
      400,
      { code: 'INVALID_INPUT' },
    ]);
    const unknown = await demanded(server, {}, { issuer: 'other' });
    expect(unknown).toMatchObject([404, { code: 'NOT_FOUND' }]);
    const json = { role: 'factory', label: 'line 1' };
    const path = '/v1/tenants/default/credentials';
    const added = await (await server.call('POST', path, { json })).json();
    const { key } = added as { readonly key: string };
    expect(await demanded(server, {}, { key })).toMatchObject([403, { code: 'FORBIDDEN' }]);
  });

  it('are served with what caches need, to anybody', async () => {
    const path = '/crl/dev/0.crl';
    const get = () => server.call('GET', path, { key: null });
    const etagOf = (answer: Response) => answer.headers.get('etag') ?? '';
    // What was revoked before has its CRL by now.
    let first = await get();
    for (let before = ''; before !== etagOf(first); first = await get()) {
      before = etagOf(first);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
    const etag = etagOf(first);
    expect(etag).toMatch(/^"[0-9a-f]+"$/);
    expect(first.headers.get('cache-control')).toBe('public, max-age=3600, no-transform');
    const { thisUpdate } = new x509.X509Crl(await first.arrayBuffer());
    expect(first.headers.get('last-modified')).toBe(thisUpdate.toUTCString());
    const head = await server.call('HEAD', path, { key: null });
    expect([head.status, head.headers.get('etag')]).toEqual([200, etag]);
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    for (const tags of [etag, `"0", W/${etag}`, '*']) {
      const headers = { 'if-none-match': tags };
      const same = await server.call('GET', path, { key: null, headers });
      expect([same.status, same.headers.get('etag')]).toEqual([304, etag]);
    }
    await crlAfter(server, { issuer: 'dev', shard: 0 }, 'full');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const headers = { 'if-none-match': etag };
    const later = await server.call('GET', path, { key: null, headers });
    expect(later.status).toBe(200);
    expect(later.headers.get('etag')).not.toBe(etag);
  });

  it('are told by the face of the validation authority too', async () => {
    const url = server.server.status?.url ?? '';
    const crl = await fetch(`${url}/status/crl/dev/0.crl`);
    const etag = crl.headers.get('etag') ?? '';
    expect([crl.status, crl.headers.get('content-type')]).toEqual([200, 'application/pkix-crl']);
    expect(new x509.X509Crl(await crl.arrayBuffer()).issuer).toMatch(/CN=dev/);
    const same = await fetch(`${url}/crl/dev/0.crl`, { headers: { 'if-none-match': etag } });
    expect(same.status).toBe(304);
    const certificate = await fetch(`${url}/ca/root.cer`);
    expect(certificate.headers.get('content-type')).toBe('application/pkix-cert');
    expect((await fetch(`${url}/crl/dev/9.crl`)).status).toBe(404);
  });

  it('are read beside the server that has the folder, as they are at the time', async () => {
    await using opened = await openCrls(server.data);
    expect(opened.issuers.map(({ name }) => name)).toEqual(['dev']);
    const scope = { issuer: 'dev', shard: 0 };
    const served = async (): Promise<string> => {
      const answer = await server.call('GET', '/crl/dev/0.crl', { key: null });
      return Buffer.from(await answer.arrayBuffer()).toString('hex');
    };
    const read = async (): Promise<string> =>
      Buffer.from((await opened.crls.getCrl(scope, 'full'))?.der ?? []).toString('hex');
    const before = await served();
    expect(await read()).toBe(before);
    await crlAfter(server, scope, 'full');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await read()).not.toBe(before);
    expect(await read()).toBe(await served());
    expect(await opened.crls.describeCrl(scope, 'delta')).toBeUndefined();
  });

  it('are not there at addresses that no certificate has', async () => {
    for (const path of [
      '/crl/dev/4.crl',
      '/crl/dev/00.crl',
      '/crl/dev/0.delta.crl',
      '/crl/dev/0.pem',
      '/crl/other/0.crl',
      '/crl/dev/ca.crl',
      '/ca/other.cer',
      '/ca/..%2froot.cer',
      '/ca/dev.pem',
    ]) {
      const answer = await server.call('GET', path, { key: null });
      const type = answer.headers.get('content-type');
      expect([path, answer.status, type]).toEqual([path, 404, expect.stringMatching(/problem/)]);
    }
  });

  it('go with the certificates of CAs, and CRLs of the CA certificates that they signed', async () => {
    for (const name of ['dev', 'root']) {
      const answer = await server.call('GET', `/ca/${name}.cer`, { key: null });
      expect(answer.headers.get('content-type')).toBe('application/pkix-cert');
      const { subject } = new x509.X509Certificate(await answer.arrayBuffer());
      expect(subject).toMatch(/CN=/);
    }
    // The root's key is in the folder: the server makes its CRL by itself.
    const get = () => server.call('GET', '/crl/root/ca.crl', { key: null });
    let answer = await get();
    for (; answer.status !== 200; answer = await get()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(new x509.X509Crl(await answer.arrayBuffer()).entries).toHaveLength(0);
  });
});

describe('CRLs of a server of their own', () => {
  it('have deltas where they are configured, which bring what their base has not', async () => {
    const config = { crls: { deltaLifetimeHours: 24 } };
    const policy = { ...defaultCrlPolicy, deltaLifetimeMs: 24 * 3_600_000 };
    await using server = await aRevocableServer({ config });
    await firstCrls(server);
    const device = await enrol(server, 'held');
    const full = await crlAfter(server, device.scope, 'full', policy);
    const base = await pemFile(server, 'base.crl', full);
    const hold = { kind: 'revoke', reason: 'certificateHold', revokedAtMs: Date.now() } as const;
    await change(server, device, hold);
    const held = await crlAfter(server, device.scope, 'delta', policy);
    const path = device.crlPath.replace('.crl', '.delta.crl');
    const answer = await server.call('GET', path, { key: null });
    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), held)).toBe(0);
    const delta = await pemFile(server, 'delta.crl', held);
    const deltas = ['-use_deltas', '-extended_crl'];
    expect(await verified(server, device.file, [base])).toContain('held.pem: OK');
    expect(await verified(server, device.file, [base, delta], deltas)).toMatch(/revoked/);
    expect(await crlState(server)).toMatchObject({
      behind: 0,
      full: { behind: 1, entries: 0 },
      delta: { behind: 0, entries: 1, changes: 1 },
    });
    // Who asks for no deltas knows of it once there is a full one, on demand.
    expect(await demanded(server)).toEqual([202, { issuer: 'dev', kind: 'full', crls: 4 }]);
    const isBehind = async () => (await crlState(server)).full.behind > 0;
    while (await isBehind()) await new Promise((resolve) => setTimeout(resolve, 20));
    const whole = await pemFile(server, 'whole.crl', await served(server, device.crlPath));
    expect(await verified(server, device.file, [whole])).toMatch(/revoked/);
    await change(server, device, { kind: 'release', releasedAtMs: Date.now() });
    const later = await crlAfter(server, device.scope, 'delta', policy);
    const next = await pemFile(server, 'next.crl', later);
    expect(await verified(server, device.file, [whole, next], deltas)).toContain('held.pem: OK');
    const textOf = (file: string) => run('openssl', ['crl', '-in', file, '-noout', '-text']);
    expect(textOf(next)).toContain('Remove From CRL');
    // That its key was lost is found out behind the full CRL with its first reason.
    const superseded = { kind: 'revoke', reason: 'superseded', revokedAtMs: Date.now() } as const;
    await change(server, device, superseded);
    const before = await crlAfter(server, device.scope, 'full', policy);
    expect(textOf(await pemFile(server, 'before.crl', before))).toContain('Superseded');
    expect(await change(server, device, compromised())).toEqual(['changed']);
    for (const kind of ['delta', 'full'] as const) {
      const after = await crlAfter(server, device.scope, kind, policy);
      const text = textOf(await pemFile(server, `after-${kind}.crl`, after));
      expect(text).toMatch(/Key Compromise[^]*Invalidity Date/);
      expect(text).not.toContain('Superseded');
      const dates = [before, after].map((der) => new x509.X509Crl(der).entries[0]?.revocationDate);
      expect(dates[1]).toEqual(dates[0]);
    }
  });

  it('of two keys of one subject are told apart by their key identifiers, and so are their answers', async () => {
    await using server = await aServer();
    const { data } = server;
    const parent = { directory: data, name: 'root', passphrase };
    const rekeyed = { directory: data, name: 'dev', successor: 'dev-2', passphrase, parent };
    await anOrder(server, 'before');
    const after = await rekeyAuthority({ ...rekeyed, nowMs: Date.now() });
    await anOrder(server, 'after', { issuer: 'dev-2' });
    const files: string[] = [];
    for (const order of ['before', 'after']) {
      const path = `/v1/orders/${order}/certificates?deviceId=${order}`;
      const answer = await server.call('POST', path, {
        headers: { 'content-type': 'application/pkcs10', accept: 'application/pkix-cert' },
        body: new Uint8Array(aCsr(order)),
      });
      expect(answer.status).toBe(201);
      const file = join(data, `${order}.pem`);
      await writeFile(file, pemEncode('CERTIFICATE', new Uint8Array(await answer.arrayBuffer())));
      files.push(file);
    }
    const [old = '', fresh = ''] = files;
    const revoke = (deviceId: string) =>
      server.call('POST', '/v1/revocations', { json: { deviceIds: [deviceId] } });
    expect((await revoke('before')).status).toBe(200);
    const second = ['-untrusted', after.certificateFile];
    const crls: string[] = [];
    for (const issuer of ['dev', 'dev-2']) {
      const der = await crlAfter(server, { issuer, shard: 0 }, 'full');
      crls.push(await pemFile(server, `${issuer}.crl`, der));
    }
    expect(await verified(server, old, crls, second)).toMatch(/certificate revoked/);
    expect(await verified(server, fresh, crls, second)).toContain('after.pem: OK');
    // The other key's CRL has the name of the issuer, and says nothing of its certificates.
    const other = await verified(server, fresh, crls.slice(0, 1), second);
    expect(other).toMatch(/unable to get certificate CRL/);
    // Not `run`: it would keep the server from answering.
    const told = async (issuer: string, file: string): Promise<string> => {
      const { text } = await runProgram(
        'openssl',

        ...['ocsp', '-CAfile', issuerPathsOf(data, 'root').certificateFile, '-no_nonce'],
        ...['-issuer', issuerPathsOf(data, issuer).certificateFile, '-cert', file],
        ...['-verify_other', issuerPathsOf(data, issuer).certificateFile, '-url'],
        `${server.url}/ocsp`,
      );
      return text;
    };
    expect(await told('dev', old)).toMatch(/before\.pem: revoked/);
    expect(await told('dev-2', fresh)).toMatch(/after\.pem: good/);
    for (const [issuer, file] of [
      ['dev-2', old],
      ['dev', fresh],
    ] as const) {
      expect(await told(issuer, file)).toMatch(/\.pem: unknown/);
    }
  });

  it('are in force over a restart, not made anew before their time, and numbered upwards', async () => {
    await using folder = await aDataFolder();
    const scope = { issuer: 'dev', shard: 0 };
    let before = 0n;
    {
      await using server = await aServerIn(folder.path, { status });
      await firstCrls(server);
      before = (await server.server.issuance.store.describeCrl(scope, 'full'))!.crlNumber;
    }
    await using server = await aServerIn(folder.path);
    const { store } = server.server.issuance;
    await firstCrls(server);
    expect((await store.describeCrl(scope, 'full'))!.crlNumber).toBe(before);
    await crlAfter(server, scope, 'full');
    expect((await store.describeCrl(scope, 'full'))!.crlNumber).toBeGreaterThan(before);
  });

  it('are made within the minute of a revocation, by the server alone', async () => {
    await using server = await aRevocableServer();
    await firstCrls(server);
    const device = await enrol(server, 'bad');
    await change(server, device, compromised());
    for (let entries = 0; entries === 0;) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const crl = await server.server.issuance.store.describeCrl(device.scope, 'full');
      ({ entries } = crl!);
    }
    const metrics = await (await server.call('GET', '/metrics')).text();
    expect(metrics).toMatch(/^certmill_crl_build_seconds_count\{kind="full"\} 5$/m);
    expect(metrics).toMatch(/^certmill_crl_missing\{issuer="dev"\} 4$/m);
    expect(metrics).toMatch(/^certmill_crl_entries_total\{kind="full"\} 1$/m);
  });
});

describe('CRLs that were made with a clock that was ahead', () => {
  it('are replaced once it is right: all that have not ended are there, under a higher number', async () => {
    await using folder = await aDataFolder();
    const revoked: Issued[] = [];
    let good: Issued;
    {
      await using server = await aServerIn(folder.path, { status });
      await anOrder(server, 'o');
      for (const name of ['a', 'b', 'c']) revoked.push(await enrol(server, name));
      good = await enrol(server, 'good');
      for (const device of revoked.slice(0, 2)) await change(server, device, compromised());
    }
    const scopes = [...revoked, good].map(({ scope }) => scope);
    const aheadMs = 760 * 86_400_000;
    const numbers = new Map<number, bigint>();
    {
      const clock = { nowMs: () => Date.now() + aheadMs };
      await using server = await aServerIn(folder.path, {}, {}, { clock });
      const { store } = server.server.issuance;
      for (const round of [1, 2]) {
        for (const scope of scopes) await crlAfter(server, scope, 'full');
        if (round === 1) await change(server, revoked[2]!, compromised());
      }
      const listed = new Map<number, number>();
      for (const { shard } of scopes) {
        const crl = await store.describeCrl({ issuer: 'dev', shard }, 'full');
        numbers.set(shard, crl!.crlNumber);
        listed.set(shard, crl!.entries);
      }
      // That clock took them for expired: what the first round has had is not in the second one.
      expect([...listed.values()].reduce((sum, entries) => sum + entries)).toBeLessThanOrEqual(1);
    }
    const env = { CERTMILL_CA_PASSPHRASE_FILE: join(folder.path, 'test-passphrase') };
    const certmill = (...args: readonly string[]) =>
      runCertmill([...args, '--data', folder.path], { env });
    expect(await certmill('crl', 'build', 'dev')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/FAULT_CLOCK_BACKWARDS: the clock is \d+ s behind/) as string,
    });
    expect(await certmill('crl', 'build', 'dev', '--after-clock-fault')).toMatchObject({
      exitCode: 0,
    });
    expect(await certmill('verify-store')).toMatchObject({ exitCode: 0 });
    // The server with that clock has made that of the root anew too: the same page says what to do.
    await rm(join(folder.path, 'ca/root/ca.crl'));

    await using server = await aServerIn(folder.path);
    const { store } = server.server.issuance;
    const entries = await store.listAudit({ limit: 1_000 });
    expect(entries.flatMap(({ action }) => (action.startsWith('crl.') ? [action] : []))).toEqual([
      'crl.replacement.begun',
      'crl.replacement.ended',
    ]);
    const files: string[] = [];
    for (const shard of new Set(scopes.map((scope) => scope.shard))) {
      const der = await served(server, `/crl/dev/${String(shard)}.crl`);
      const file = await pemFile(server, `right-${String(shard)}.pem`, der);
      files.push(file);
      const said = run('openssl', [
        ...['crl', '-in', file, '-noout', '-lastupdate', '-crlnumber', '-dateopt', 'iso_8601'],
      ]);
      const [, lastUpdate = ''] = /lastUpdate=(.*)/.exec(said) ?? [];
      expect(Math.abs(Date.parse(lastUpdate) - Date.now())).toBeLessThan(60_000);
      const [, number = ''] = /crlNumber=(?:0x)?([0-9A-F]+)/i.exec(said) ?? [];
      expect(BigInt(`0x${number}`)).toBeGreaterThan(numbers.get(shard) ?? 0n);
    }
    for (const { file } of revoked) {
      expect(await verified(server, file, files)).toMatch(/certificate revoked/);
    }
    expect(await verified(server, good.file, files)).toMatch(/good\.pem: OK/);
    // And from then on as ever.
    await crlAfter(server, good.scope, 'full');
  });
});

/** An issuer for one order, that order, and one batch of three in it; the files of its certificates. */
async function aBatchOfItsOwn(server: TestServer, name: string): Promise<readonly string[]> {
  const { data } = server;
  await issueAuthority(
    {
      ...{ name, directory: data, passphrase, keyType: 'ec-p256', pathLenConstraint: 0, status },
      subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
      order: { tenant: 'default', orderId: name },
    },
    { directory: data, name: 'root', passphrase },
    Date.now(),
  );
  const opened = await anOrder(server, name, { issuer: name, quota: 3 });
  expect(opened.status).toBe(201);
  const batchId = await uploaded(server, name, 'one');
  const answer = await server.call(
    'GET',
    `/v1/batches/${batchId}/certificates?format=pem&follow=true`,
  );
  const pems = (await answer.text()).match(/-----BEGIN[^]*?-----END CERTIFICATE-----\n/g) ?? [];
  // The chain stands behind each, or once at the end.
  const devices = pems.filter((pem) =>
    new x509.X509Certificate(pem).subject.startsWith('CN=device'),
  );
  expect(devices).toHaveLength(3);
  const files = devices.map((_, index) => join(data, `${name}-${String(index)}.pem`));
  await Promise.all(files.map(async (file, index) => writeFile(file, devices[index] ?? '')));
  return files;
}

async function uploaded(server: TestServer, order: string, key: string): Promise<string> {
  const answer = await server.call('POST', `/v1/orders/${order}/batches`, {
    headers: { ...ndjson, 'idempotency-key': key },
    body: ndjsonOf(csrsOf(3, `device-${order}-${key}`)),
  });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { batchId: string }).batchId;
}

describe('an issuer for an order of one batch', () => {
  it('is its kill switch: revoked, it ends exactly that batch, as openssl sees it', async () => {
    const config = { status: { port: 0, cachedMs: 0 } };
    await using server = await aServer({}, {}, { status, config });
    const batches = {
      'line-7': await aBatchOfItsOwn(server, 'line-7'),
      'line-8': await aBatchOfItsOwn(server, 'line-8'),
    };
    const { store, signer, services } = server.server.issuance;
    const ports = { revocations: store, crls: store, signer, clock: services.clock };
    const crls: string[] = [];
    for (const issuer of Object.keys(batches)) {
      for (let shard = 0; shard < status.crlShards; shard += 1) {
        await buildCrl(ports, defaultCrlPolicy, { issuer, shard }, 'full');
        const crl = await store.getCrl({ issuer, shard }, 'full');
        crls.push(await pemFile(server, `${issuer}-${String(shard)}.crl.pem`, crl!.der));
      }
    }
    // What the devices got lies in `former/`; a certificate over the key is a certificate over the key.
    const root = { directory: server.data, name: 'root', passphrase };
    const { serialNumberHex } = await loadIssuer(server.data, 'line-7');
    const renewal = { directory: server.data, name: 'line-7', parent: root, nowMs: Date.now() };
    await renewAuthority({ ...renewal, lifetimeSeconds: 8 * 365 * 86_400 });
    const former = join(server.data, 'ca/line-7/former', `${serialNumberHex}.pem`);
    const told = async (about: string): Promise<string> => {
      const rootFile = join(server.data, 'ca/root/certificate.pem');
      const url = `${server.server.status?.url ?? ''}/ocsp`;
      const ask = ['-CAfile', rootFile, '-issuer', rootFile, '-cert', about, '-url', url];
      return (await runProgram('openssl', 'ocsp', ...ask)).text;
    };
    expect(await told(former)).toContain(': good');
    const verdicts = async (
      name: keyof typeof batches,
      certificateFile = join(server.data, 'ca', name, 'certificate.pem'),
    ): Promise<readonly string[]> => {
      const under = ['-extended_crl', '-untrusted', certificateFile];
      const all: string[] = [];
      for (const file of batches[name]) all.push(await verified(server, file, crls, under));
      return all.map((output) => /: OK|certificate revoked/.exec(output)?.[0] ?? output);
    };
    const good = [': OK', ': OK', ': OK'];
    expect([await verdicts('line-7'), await verdicts('line-8')]).toEqual([good, good]);
    expect(await verdicts('line-7', former)).toEqual(good);
    const [certificateDer = new Uint8Array()] = (await loadIssuer(server.data, 'line-7')).chainDer;
    const revocation = { reason: 'keyCompromise', certificateDer, nowMs: Date.now() } as const;
    await revokeAuthority({ directory: server.data, parent: 'root', ...revocation });
    const ended = good.map(() => 'certificate revoked');
    expect([await verdicts('line-7'), await verdicts('line-8')]).toEqual([ended, good]);
    expect(await verdicts('line-7', former)).toEqual(ended);
    for (let text = ''; !text.includes(': revoked');) text = await told(former);
    expect(await told(former)).toContain('Reason: keyCompromise');
    // Nor is anything more made of it, or of another order under it.
    const other = await anOrder(server, 'line-9', { issuer: 'line-8' });
    expect([other.status, await other.json()]).toMatchObject([
      400,
      { detail: expect.stringContaining('was made for another order') as string },
    ]);
    // Seen a second later at the latest.
    for (let status = 202; status !== 409;) {
      const more = await server.call('POST', '/v1/orders/line-7/batches', {
        headers: { ...ndjson, 'idempotency-key': `more-${String(performance.now())}` },
        body: ndjsonOf(csrsOf(1, 'more')),
      });
      status = more.status;
      if (status === 409) expect(await more.text()).toContain('is revoked');
    }
  });
});

/** Needs openssl on the PATH. */
describe('the CRL of an offline root, taken in while the server runs', () => {
  it('ends what it revokes: enrolment, OCSP, the calendar, certmill verify', async () => {
    await using offline = await aDataFolder();
    await using plant = await aDataFolder();
    const made = { name: 'dev', directory: plant.path, passphrase, status, nowMs: Date.now() };
    await createHierarchy(made);
    await cp(plant.path, offline.path, { recursive: true });
    await rm(issuerPathsOf(plant.path, 'root').keyFile);
    await writeFile(join(plant.path, 'test-passphrase'), passphrase);
    const config = { status: { port: 0, cachedMs: 0 } };
    await using server = await aServerIn(plant.path, { config });
    await anOrder(server, 'o');
    const device = await enrol(server, 'before');
    const { certificateFile: issuerFile, chainFile } = issuerPathsOf(server.data, 'dev');
    const { certificateFile: rootFile } = issuerPathsOf(server.data, 'root');
    const url = `${server.server.status?.url ?? ''}/ocsp`;
    // The server is in this process: who waits for OpenSSL must not keep it from answering.
    const told = async (issuer: string, about: string): Promise<string> => {
      const ask = ['-CAfile', rootFile, '-issuer', issuer, '-cert', about, '-url', url];
      return (await runProgram('openssl', 'ocsp', ...ask)).text;
    };
    expect(await told(issuerFile, device.file)).toContain(': good');
    // Nobody here can speak for the root, until it has certified a responder where its key is.
    expect(await told(rootFile, issuerFile)).toContain('unauthorized');
    await aResponderOf(offline.path, server.data);
    expect(await told(rootFile, issuerFile)).toContain(': good');
    const signer = [join(offline.path, 'va.csr'), '--issuer', 'dev', '--profile', 'crl-signer'];
    const certified = await runCertmill(
      ['ca', 'delegate', ...signer, '--data', server.data, '-o', join(offline.path, 'crl.pem')],
      { env: { CERTMILL_CA_PASSPHRASE: passphrase } },
    );
    expect(certified.exitCode).toBe(0);

    const nowMs = Date.now();
    const { chainDer } = await loadIssuer(server.data, 'dev');
    await revokeAuthority({
      directory: offline.path,
      parent: 'root',
      certificateDer: chainDer[0]!,
      reason: 'cACompromise',
      nowMs,
    });
    const root = { directory: offline.path, name: 'root', passphrase };
    const { der: crlDer } = await issueCaCrl(root, 10 * 86_400, nowMs);
    await importCaCrl({ directory: server.data, crlDer, nowMs: nowMs + 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));

    const refused = await server.call('POST', '/v1/orders/o/certificates?deviceId=after', {
      headers: { 'content-type': 'application/pkcs10', accept: 'application/pkix-cert' },
      body: new Uint8Array(aCsr('after')),
    });
    expect(refused.status).toBe(409);
    expect(await refused.text()).toContain('is revoked: CN=dev');
    expect(await told(issuerFile, device.file)).toMatch(/: revoked\n[^]*Reason: cACompromise/);
    expect(await told(rootFile, issuerFile)).toMatch(/: revoked\n[^]*Reason: cACompromise/);
    const crl = await server.call('GET', '/crl/root/ca.crl', { key: null });
    expect(crl.headers.get('etag')).toMatch(/^"[0-9a-f]+"$/);
    expect(Buffer.from(await crl.arrayBuffer())).toEqual(Buffer.from(crlDer));
    const calendar = (await (await server.call('GET', '/v1/calendar')).json()) as object;
    expect(calendar).toMatchObject({
      authorities: [{ issuers: ['dev'], revoked: 'cACompromise' }, { issuers: ['dev'] }],
      devices: [{ issuer: 'dev', revoked: 'cACompromise' }],
      delegates: [
        { kind: 'ocsp-responder', issuer: 'root', subject: 'CN=OCSP root', daysLeft: 13 },
        { kind: 'ocsp-responder', issuer: 'dev', renewsItself: true, toReplace: false },
        { kind: 'crl-signer', issuer: 'dev', subject: 'CN=OCSP root', toReplace: false },
      ],
      caCrls: [{ ca: 'root', daysLeft: 9 }],
    });
    // The root above it is not.
    expect(JSON.stringify(calendar).match(/"revoked":/g)).toHaveLength(2);
    const shown = await runCertmill(['calendar', '--server', server.url], {
      env: { CERTMILL_API_KEY: server.key },
    });
    expect(shown.stdout).toMatch(/13 +ocsp-responder +CN=OCSP root +root +by people/);
    expect(shown.stdout).toMatch(/^[-\d]+ +revoked +CN=dev /m);
    expect(shown.stdout).toMatch(/^[-\d]+ +tls-client +dev \(revoked\) +1$/m);
    const metrics = await (await server.call('GET', '/metrics', { key: null })).text();
    expect(metrics).toMatch(/certmill_trust_not_after_seconds\{kind="ca_crl"\} \d+/);
    // The root's responder; who signs CRLs for a CA that is revoked has no successor.
    const [, endSeconds] = /kind="delegate"\} (\d+)/.exec(metrics) ?? [];
    expect(Number(endSeconds) - nowMs / 1_000).toBeGreaterThan(13.9 * 86_400);
    expect(Number(endSeconds) - nowMs / 1_000).toBeLessThan(14 * 86_400);
    const verdict = await runCertmill(['verify', device.file, '--data', server.data]);
    expect(verdict.exitCode).toBe(2);
    expect(verdict.stdout).toMatch(/revoked at .* \(cACompromise\)/);
    // The day after its nextUpdate it tells that still; the path alone is as good as before.
    const later = ['--at', new Date(nowMs + 11 * 86_400_000).toISOString(), '--status', 'none'];
    const after = await runCertmill(['verify', device.file, '--data', server.data, ...later]);
    expect([after.exitCode, after.stdout]).toEqual([
      2,
      expect.stringMatching(/1: CN=dev.*, revoked by CRL of CA root\n[^]*\(cACompromise\)/),
    ]);
    expect(run('openssl', ['verify', '-CAfile', rootFile, chainFile])).toContain('OK');
  });
});

/** A responder that the root certifies where its key is, carried into the server's folder. */
async function aResponderOf(offline: string, data: string): Promise<void> {
  const file = (name: string): string => join(offline, name);
  const pass = `pass:${passphrase}`;
  const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  run('openssl', ['genpkey', ...curve, '-aes-256-cbc', '-pass', pass, '-out', file('va.key')]);
  const subject = ['-subj', '/CN=OCSP root', '-out', file('va.csr')];
  run('openssl', ['req', '-new', '-key', file('va.key'), '-passin', pass, ...subject]);
  const certified = await runCertmill(
    [
      ...['ca', 'delegate', file('va.csr'), '--issuer', 'root', '--profile', 'ocsp-responder'],
      ...['--data', offline, '--out', file('va.pem')],
    ],
    { env: { CERTMILL_CA_PASSPHRASE: passphrase } },
  );
  expect([certified.exitCode, certified.exitCode === 0 ? '' : certified.stderr]).toEqual([0, '']);
  await mkdir(join(data, 'ocsp-responders'), { recursive: true });
  const content =
    (await readFile(file('va.key'), 'utf8')) + (await readFile(file('va.pem'), 'utf8'));
  await writeFile(join(data, 'ocsp-responders', 'root.pem'), content, { mode: 0o600 });
}
