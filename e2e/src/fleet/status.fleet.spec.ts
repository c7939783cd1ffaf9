import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pemEncode } from '@certmill/der';
import { makeRunFolder } from '@certmill/native';
import { loadIssuers, refusalOf } from '@certmill/trust';
import * as x509 from '@peculiar/x509';
import { runCertmill } from '../cli/testing/run-certmill.js';
import type { FailPointReport } from '../crash/fail-point.js';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { ordersFileOf, type ServiceOrders } from './service-under-test.js';
import { aName, TestFleet, until } from './testing/test-fleet.js';

/** Stands in the certificates; nobody looks it up here. */
const baseUri = 'http://pki.example';
const shards = 4;
const firstOrder = 'o1';
const serviceProgram = fileURLToPath(new URL('./service-under-test.js', import.meta.url));

let folder = '';
/** Of ingest and status: without a key. Sign has the fleet's own. */
let publicTrust = '';
let fleet: TestFleet;
/** 300 of one batch: they are in one shard. */
let first: readonly Device[];
/** Of another shard. */
let other: Device;

interface Device {
  /** PEM. */
  readonly file: string;
  /** Hexadecimal, lower case. */
  readonly serialNumber: string;
  /** Of the CRL that its certificate names, below the base. */
  readonly crlPath: string;
}

beforeAll(async () => {
  folder = await makeRunFolder();
  publicTrust = join(folder, 'public-trust');
  const responderPassphraseFile = join(folder, 'responder-passphrase');
  await writeFile(responderPassphraseFile, 'of responders only\n', { mode: 0o600 });
  const presigning = { presign: 'all' };
  const responders = { responders: join(folder, 'responders'), responderPassphraseFile };
  const lanes = ['bulk', 'interactive'] as const;
  fleet = await TestFleet.make({
    partitions: { bulk: 2, interactive: 1 },
    plan: [
      { role: 'ingest', lanes, settings: { trust: publicTrust } },
      { role: 'validate', lanes },
      { role: 'sign', lanes, settings: { ocsp: { ...presigning, ...responders } } },
      { role: 'publish', lanes },
      { role: 'status', lanes, settings: { ...nothingSecret, trust: publicTrust } },
    ],
    // Issuers are those of the folders, as they are.
    settings: { maxRequestsPerChunk: 256, ocsp: presigning, issuers: undefined },
    makeTrust,
    commandOf: (role) => [process.execPath, serviceProgram, role],
  });
  for (const { configFile, name } of fleet.fleet.services) order(configFile, name);
  await Promise.all([fleet.kafka.start(), fleet.mongo.start()]);
  await fleet.fleet.init();
  for (const service of fleet.fleet.services) service.start();
  await fleet.fleet.whenReady();
  await fleet.openOrder(firstOrder);
  first = await issue(300);
  do [other = first[0]!] = await issue(1);
  while (other.crlPath === first[0]?.crlPath);
});

afterAll(async () => {
  await fleet.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What other roles have, and a validation authority has not. */
const nothingSecret = {
  passphraseFile: undefined,
  hopKeys: undefined,
  manifestKeyFile: undefined,
} as const;

/** The hierarchy, and beside it what a validation authority is given of it: no key. */
async function makeTrust(directory: string, passphraseFile: string): Promise<void> {
  const addresses = ['--status-url', baseUri, '--crl-shards', String(shards)];
  const env = { CERTMILL_CA_PASSPHRASE_FILE: passphraseFile };
  for (const command of [
    ['init', 'factory', ...addresses],
    ['export', publicTrust],
  ]) {
    const ended = await runCertmill(['ca', ...command, '--data', directory], { env });
    expect([ended.exitCode, ended.stderr]).toEqual([0, '']);
  }
  await cp(join(directory, 'serial-keys.json'), join(publicTrust, 'serial-keys.json'));
}

/** Brings a CA from one folder into another: whole, or not at all. */
async function carry(name: string, from: string, to: string): Promise<void> {
  const [aside, place] = [join(to, `aside-${name}`), join(to, 'ca', name)];
  await cp(join(from, 'ca', name), aside, { recursive: true });
  await rm(place, { recursive: true, force: true });
  await rename(aside, place);
}

/** The command on a data folder, with the passphrase of the fleet's keys. */
async function ca(...args: readonly string[]): Promise<string> {
  return certmill('ca', ...args);
}

async function certmill(...args: readonly string[]): Promise<string> {
  const env = { CERTMILL_CA_PASSPHRASE_FILE: fleet.file('passphrase') };
  const { exitCode, stdout, stderr } = await runCertmill(args, { env });
  expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
  return stdout;
}

/** A service may die where it signs; each has its files. */
function order(configFile: string, name: string, armed?: ServiceOrders['armed']): void {
  const orders: ServiceOrders = {
    oracleFile: join(folder, `${name}.signatures`),
    reportFile: join(folder, `${name}.reports`),
    bugFolder: folder,
    ...(armed === undefined ? {} : { armed }),
  };
  writeFileSync(ordersFileOf(configFile), JSON.stringify(orders));
}

async function issue(count: number, orderId = firstOrder): Promise<readonly Device[]> {
  const name = aName('batch');
  const batchId = await fleet.upload(orderId, name, ndjsonOf(csrsOf(count, name)));
  expect(await fleet.settled(batchId)).toMatchObject({ counters: { issued: count } });
  const answer = await fleet.call('GET', `/v1/batches/${batchId}/certificates`);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '');
  return Promise.all(lines.map(deviceOf));
}

async function deviceOf(line: string): Promise<Device> {
  const { certificate: pem, deviceId } = JSON.parse(line) as Record<string, string>;
  const file = join(folder, `${String(deviceId)}.pem`);
  await writeFile(file, pem ?? '');
  const certificate = new x509.X509Certificate(pem ?? '');
  const points = certificate.getExtension(x509.CRLDistributionPointsExtension);
  const [name] = points?.distributionPoints[0]?.distributionPoint?.fullName ?? [];
  return {
    file,
    serialNumber: new X509Certificate(pem ?? '').serialNumber.toLowerCase(),
    crlPath: name?.uniformResourceIdentifier?.replace(baseUri, '') ?? '',
  };
}

function ofCa(name: string, file: string): string {
  return join(publicTrust, 'ca', name, file);
}

function openssl(...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', args, { timeout: 120_000 }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

const statusUrl = (): string => fleet.service('status').apiUrl ?? '';

/** What OpenSSL says of a certificate, once it says what is waited for. */
async function told({ file }: Device, wanted: string, name = 'factory'): Promise<string> {
  const issuer = ['-CAfile', ofCa(name, 'chain.pem'), '-issuer', ofCa(name, 'certificate.pem')];
  let text = '';
  await until(`${basename(file)} is ${wanted}`, async () => {
    const url = `${statusUrl()}/ocsp`;
    text = await openssl('ocsp', ...issuer, '-url', url, '-cert', file);
    return text.includes(`: ${wanted}`);
  });
  return text;
}

async function revoke({ serialNumber }: Device): Promise<Response> {
  const path = `/v1/certificates/${serialNumber}/revocation`;
  return fleet.call('POST', path, { json: { reason: 'keyCompromise' } });
}

/** The CRL that the certificate names, in a file. */
async function crlOf({ crlPath, file }: Device): Promise<string> {
  const answer = await fetch(statusUrl() + crlPath);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'application/pkix-crl',
  ]);
  const crlFile = `${file}.crl`;
  await writeFile(crlFile, pemEncode('X509 CRL', new Uint8Array(await answer.arrayBuffer())));
  return crlFile;
}

async function verified(device: Device): Promise<string> {
  const chain = [
    '-CAfile',
    ofCa('root', 'certificate.pem'),
    '-untrusted',
    ofCa('factory', 'certificate.pem'),
  ];
  const crl = await crlOf(device);
  return openssl('verify', '-crl_check', '-x509_strict', ...chain, '-CRLfile', crl, device.file);
}

/** Resolves to OpenSSL's text of the first CRL that has the certificate. */
async function crlWith(device: Device): Promise<string> {
  let text = '';
  await until(`a CRL has ${basename(device.file)}`, async () => {
    text = await openssl('crl', '-noout', '-text', '-in', await crlOf(device));
    return text.includes(`Serial Number: ${device.serialNumber.toUpperCase()}`);
  });
  return text;
}

describe('a validation authority without a key', () => {
  it('has nothing that it could sign with', async () => {
    const { configFile, pid } = fleet.service('status');
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
    // Names alone: in a path anything may stand.
    const secrets = /"[^"]*(passphrase|keyFile|hopKeys|pin|slots|responders)[^"]*":/i;
    expect(JSON.stringify(config)).not.toMatch(secrets);
    expect(config['trust']).toBe(publicTrust);
    for (const entry of await readdir(publicTrust, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = await readFile(join(entry.parentPath, entry.name), 'utf8');
      expect([entry.name, content.includes('PRIVATE KEY')]).toEqual([entry.name, false]);
    }
    // Its environment may hold secrets of the run's: they are not to be shown.
    const environment = readFileSync(`/proc/${String(pid)}/environ`, 'utf8');
    expect(environment.includes('PASSPHRASE')).toBe(false);
  });

  it('tells what was signed ahead, and CRLs and certificates of CAs', async () => {
    for (const device of [first[0]!, first[299]!, other]) {
      expect(await told(device, 'good')).toContain('Response verify OK');
      expect(await verified(device)).toContain(`${basename(device.file)}: OK`);
    }
    const issuer = await fetch(`${statusUrl()}/ca/factory.cer`);
    const { raw } = new X509Certificate(readFileSync(ofCa('factory', 'certificate.pem')));
    expect(Buffer.compare(raw, Buffer.from(await issuer.arrayBuffer()))).toBe(0);
  });

  it('speaks with the keys of responders that stand in the audit trail', async () => {
    const pem = await readFile(join(folder, 'responders', 'factory.pem'), 'utf8');
    const certificate = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERT')));
    const trail = await (await fleet.call('GET', '/v1/audit?limit=1000')).json();
    const { items } = trail as { readonly items: readonly { readonly action: string }[] };
    expect(items.filter(({ action }) => action === 'responder.certified')).toMatchObject([
      { detail: { issuer: 'factory', serialNumber: certificate.serialNumber.toLowerCase() } },
    ]);
  });

  it('tells when a delegate ends that people are to replace, as sign does, once its folder has it', async () => {
    const [request, out] = [join(folder, 'signer.csr'), join(folder, 'signer.pem')];
    await writeFile(request, aCsr('signer'));
    const trust = fleet.file('trust');
    await ca(
      ...['delegate', request, '--issuer', 'factory', '--profile', 'crl-signer'],
      ...['--data', trust, '--out', out],
    );
    const series = 'certmill_trust_not_after_seconds{kind="delegate"}';
    const endSeconds = new X509Certificate(readFileSync(out)).validToDate.getTime() / 1_000;
    expect(await fleet.metric('sign', series)).toBe(endSeconds);
    await ca('export', publicTrust, '--data', trust);
    expect(await fleet.metric('status', series)).toBe(endSeconds);
    const calendar: unknown = await (await fleet.call('GET', '/v1/calendar')).json();
    expect(calendar).toMatchObject({
      delegates: [{ kind: 'crl-signer', issuer: 'factory', renewsItself: false, toReplace: true }],
    });
  });

  it('tells of a responder that was carried to it and has ended, before anybody asks', async () => {
    const carried = join(folder, 'carried');
    const file = join(carried, 'factory.pem');
    const key = join(fleet.file('trust'), 'ca/factory/key.pem');
    await mkdir(carried);
    await promisify(execFile)('openssl', [
      ...['x509', '-req', '-in', join(folder, 'signer.csr'), '-inform', 'der', '-days', '0'],
      ...['-CA', ofCa('factory', 'certificate.pem'), '-CAkey', key],
      ...['-passin', `file:${fleet.file('passphrase')}`, '-set_serial', '5', '-out', file],
    ]);
    const ocsp = { presign: 'all' };
    const responderPassphraseFile = join(folder, 'responder-passphrase');
    const given = { ...ocsp, responders: carried, responderPassphraseFile };
    await fleet.startRole('status', { ocsp: given });
    const endSeconds = new X509Certificate(readFileSync(file)).validToDate.getTime() / 1_000;
    const series = 'certmill_trust_not_after_seconds{kind="responder"}';
    await until('it is told', async () => (await fleet.metric('status', series)) === endSeconds);
    await fleet.startRole('status', { ocsp });
  });
});

describe('a revocation by HTTP', () => {
  it('is waited for by a sign that is killed in the signature of its CRL', async () => {
    const victim = first[7]!;
    const sign = fleet.service('sign');
    expect(await sign.stop()).toBe(0);
    expect(await (await revoke(victim)).json()).toMatchObject({ outcome: 'changed' });
    order(sign.configFile, sign.name, { name: 'signature:before', hit: 1, lingers: false });
    sign.start();
    expect(await sign.whenEnded()).toBeNull();
    const reports = readFileSync(join(folder, `${sign.name}.reports`), 'utf8')
      .trim()
      .split('\n');
    const shard = /(\d+)\.crl$/.exec(victim.crlPath)?.[1] ?? '';
    // What is in hand of a CRL is its shard.
    expect(reports.map((line) => (JSON.parse(line) as FailPointReport).inHand)).toEqual([
      `/${shard}`,
    ]);
    // The CRL before it is still served.
    expect(await verified(victim)).toContain(': OK');
    order(sign.configFile, sign.name);
    sign.start();
    await sign.whenReady(90_000);
  });

  it('is told by OCSP at once, and by the CRL that its certificate names', async () => {
    expect((await revoke(other)).status).toBe(200);
    const text = await told(other, 'revoked');
    expect(text).toContain('Response verify OK');
    expect(text).toContain('Reason: keyCompromise');
    expect(await crlWith(other)).toMatch(/Key Compromise/);
    expect(await verified(other)).toMatch(/certificate revoked/);
    expect(await verified(first[0]!)).toContain(': OK');
  });

  it('while Redis is away is in force, and fails so that it is done again', async () => {
    const lost = first[9]!;
    await fleet.redis.kill();
    const before = readFileSync(await crlOf(other), 'utf8');
    const answer = await revoke(lost);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      503,
      expect.stringContaining('problem'),
    ]);
    expect(readFileSync(await crlOf(other), 'utf8')).toBe(before);
    expect(await told(other, 'revoked')).toContain('Response verify OK');
    await fleet.redis.start();
    await until('the call is done again', async () => {
      const again = await revoke(lost);
      return again.status === 200;
    });
    expect(await told(lost, 'revoked')).toContain('Response verify OK');
  });

  it('is in a CRL in the end, though its job was begun by a process that was killed', async () => {
    for (const device of [first[7]!, first[9]!]) {
      await crlWith(device);
      expect(await verified(device)).toMatch(/certificate revoked/);
      expect(await told(device, 'revoked')).toContain('Response verify OK');
    }
    expect(await verified(first[8]!)).toContain(': OK');
  });
});

describe('an issuer that is made while the fleet runs', () => {
  const pids = () => fleet.fleet.services.map(({ pid }) => pid);
  const inFolder = (name: string): string => join(folder, name);
  const orderUnder = async (id: string, issuer: string): Promise<Response> => {
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    const json = { orderId: id, profile: 'tls-client', quota: 100, expiresAt, issuer };
    return fleet.call('POST', '/v1/orders', { json: { ...json, requiresAllowList: false } });
  };

  it('is served without a restart, and its chunks wait for the sign that learns of it last', async () => {
    const before = pids();
    const trust = fleet.file('trust');
    const made = join(folder, 'made');
    await cp(trust, made, { recursive: true });
    await ca('issue', 'line-b', '--under', 'root', '--data', made, '--status-url', baseUri);
    expect((await orderUnder('b', 'line-b')).status).toBe(400);
    await ca('export', publicTrust, '--data', made);
    await until('ingest knows it', async () => (await orderUnder('b', 'line-b')).status === 201);
    const batchId = await fleet.upload('b', 'b', ndjsonOf(csrsOf(2, 'b')));
    const unknown = 'certmill_faults_total{stage="sign",code="FAULT_ISSUER_UNKNOWN"}';
    await until('sign has seen the chunk', async () => (await fleet.metric('sign', unknown)) > 2);
    const waiting = { issued: 0, deadLettered: 0, inFlight: 2 };
    expect((await fleet.batch(batchId)).counters).toMatchObject(waiting);
    await carry('line-b', made, trust);
    expect(await fleet.settled(batchId)).toMatchObject({ counters: { issued: 2, inFlight: 0 } });
    const [device] = await issue(1, 'b');
    expect(await told(device!, 'good', 'line-b')).toContain('Response verify OK');
    expect(pids()).toEqual(before);
  });

  it('is moved below another root without a restart, and devices get the chain in force', async () => {
    const before = pids();
    const trust = fleet.file('trust');
    const [far, request, chain] = [
      inFolder('far'),
      inFolder('line-b.csr'),
      inFolder('line-b.chain'),
    ];
    await ca('root', '--subject', 'CN=Far root', '--data', far);
    await ca('request', 'line-b', '--renewal', '--data', trust, '--out', request);
    await ca('sign', request, '--under', 'root', '--data', far, '-o', chain);
    await ca('complete', 'line-b', '--chain', chain, '--ends-earlier', '--data', trust);
    await ca('export', publicTrust, '--data', trust);
    const inForce = await readFile(chain, 'utf8');
    await until('devices get the chain in force', async () => {
      const [line = ''] = ndjsonOf(csrsOf(1, aName('moved'))).split('\n');
      const json: unknown = JSON.parse(line);
      const headers = { accept: 'application/json' };
      const answer = await fleet.call('POST', '/v1/orders/b/certificates', { json, headers });
      const { chain: given } = (await answer.json()) as { readonly chain?: readonly string[] };
      return given?.join('') === inForce;
    });
    expect(pids()).toEqual(before);
  });

  it('signs nothing once that root has revoked it, whoever does not know it yet', async () => {
    const [device] = await issue(1, 'b');
    const trust = fleet.file('trust');
    const [far, crl] = [inFolder('far'), inFolder('far.crl')];
    const reason = ['--reason', 'cessationOfOperation'];
    const certificate = ['--certificate', inFolder('line-b.chain'), '--under', 'root'];
    await ca('revoke', ...certificate, ...reason, '--data', far);
    await ca('crl', 'root', '--next', '30d', '--data', far, '--out', crl);
    await certmill('crl', 'import', crl, '--as', 'far', '--data', trust);
    await sleep(1_500);
    const batchId = await fleet.upload('b', 'late', ndjsonOf(csrsOf(1, 'late')));
    await until('sign has refused the chunk', async () => {
      return (await fleet.batch(batchId)).counters.deadLettered === 1;
    });
    const letters = await fleet.call('GET', `/v1/batches/${batchId}/dead-letters`);
    expect(await letters.text()).toContain('issuer line-b is revoked');
    const drop = `/v1/batches/${batchId}/dead-letters/0/drop`;
    expect((await fleet.call('POST', drop)).status).toBe(200);
    await ca('export', publicTrust, '--data', trust);
    await until('ingest refuses orders', async () => {
      return (await orderUnder('later', 'line-b')).status === 400;
    });
    expect(await told(device!, 'revoked', 'line-b')).toContain('Response verify OK');
  });
});

/** What a device has in the place of its first certificate. */
async function newerOf({ file }: Device): Promise<Device> {
  const deviceId = basename(file, '.pem');
  const found = await fleet.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await found.json()) as { items: readonly { certificate: string }[] };
  expect(items).toHaveLength(2);
  const [newer] = items;
  return deviceOf(
    JSON.stringify({ deviceId: `${deviceId}-newer`, certificate: newer?.certificate }),
  );
}

describe('a population leaves a compromised issuer', () => {
  it('by one command in the folder of sign, once the other roles were given what it asks for', async () => {
    const trust = fleet.file('trust');
    const env = {
      CERTMILL_CA_PASSPHRASE_FILE: fleet.file('passphrase'),
      CERTMILL_SERVER: fleet.fleet.url,
      CERTMILL_API_KEY: fleet.fleet.adminKey,
    };
    const leave = ['ca', 'compromise', 'factory', '--to', 'line-c', '--data', trust, '--yes'];
    const stopped = await runCertmill([...leave, '--timeout', '2'], { env });
    expect([stopped.exitCode, stopped.stderr]).toEqual([
      1,
      expect.stringMatching(/STEP_WAITS: step 2 of 8 \(close\): give ca\/factory\/retired\.json/),
    ]);
    const retired = 'ca/factory/retired.json';
    await cp(join(trust, retired), join(publicTrust, retired));
    const again = await runCertmill([...leave, '--timeout', '2'], { env });
    expect(again.stderr).toMatch(/ca\/line-c, but not key\.pem.* takes no orders for 'line-c'/);
    await ca('export', publicTrust, '--data', trust);
    const left = await runCertmill([...leave, '--json'], { env });
    expect([left.exitCode, left.exitCode === 0 ? '' : left.stderr]).toEqual([0, '']);
    const report = JSON.parse(left.stdout) as {
      readonly state: string;
      readonly steps: readonly { readonly step: string; readonly facts?: unknown }[];
    };
    expect(report.state).toBe('done');
    const facts = Object.fromEntries(report.steps.map(({ step, facts: told }) => [step, told]));
    expect(facts).toMatchObject({
      successor: { name: 'line-c' },
      reissue: { rejected: 0, deadLettered: 0 },
      crls: { crls: shards },
      'revoke-ca': { certificates: 1, reason: 'cACompromise' },
    });
    await ca('export', publicTrust, '--data', trust);
  });

  it('and whoever asks is told: by CRL, by OCSP, of devices and of the CA', async () => {
    const [device] = first;
    expect(await told(device!, 'revoked')).toContain('Response verify OK');
    expect(await crlWith(device!)).toContain('Superseded');
    expect(await verified(device!)).toMatch(/certificate revoked/);
    const rootCrl = join(folder, 'root.crl');
    const served = await fetch(`${statusUrl()}/crl/root/ca.crl`);
    await writeFile(rootCrl, new Uint8Array(await served.arrayBuffer()));
    const { serialNumber } = new X509Certificate(readFileSync(ofCa('factory', 'certificate.pem')));
    const listed = await openssl('crl', '-inform', 'der', '-in', rootCrl, '-noout', '-text');
    expect(listed).toContain(`Serial Number: ${serialNumber}`);
    const newer = await newerOf(device!);
    expect(await told(newer, 'good', 'line-c')).toContain('Response verify OK');
    const keyOf = (file: string) => openssl('x509', '-in', file, '-noout', '-pubkey');
    expect(await keyOf(newer.file)).toBe(await keyOf(device!.file));
  });
});

describe('a fleet whose issuers are all revoked', () => {
  it('is ready when it is started again, issues nothing, and makes the CRLs that are due', async () => {
    const device = await newerOf(first[1]!);
    const trust = fleet.file('trust');
    const thatSign = async () =>
      (await loadIssuers(trust)).filter((issuer) => refusalOf(issuer, Date.now()) === undefined);
    expect((await thatSign()).map(({ name }) => name)).toEqual(['line-c']);
    await ca('revoke', 'line-c', '--reason', 'cessationOfOperation', '--data', trust);
    expect(await thatSign()).toEqual([]);
    await ca('export', publicTrust, '--data', trust);
    for (const service of fleet.fleet.services) expect(await service.stop()).toBe(0);
    for (const service of fleet.fleet.services) service.start();
    await fleet.fleet.whenReady();
    for (const wish of [{}, { issuer: 'line-c' }]) {
      const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
      const order = { orderId: 'none', profile: 'tls-client', quota: 1, expiresAt, ...wish };
      const refused = await fleet.call('POST', '/v1/orders', {
        json: { ...order, requiresAllowList: false },
      });
      expect(refused.status).toBeGreaterThanOrEqual(400);
      expect(await refused.text()).toMatch(/'line-c'.* is revoked: CN=.*, cessationOfOperation/);
    }
    expect((await revoke(device)).status).toBe(200);
    expect(await crlWith(device)).toContain('Key Compromise');
    expect(await told(device, 'revoked', 'line-c')).toContain('Response verify OK');
  });
});

it('the store agrees with all of it', async () => {
  expect(await fleet.verified()).toMatchObject({ findings: [], inFlight: 0 });
});
