import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pemEncode } from '@certmill/der';
import { makeRunFolder } from '@certmill/native';
import { jest } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { runCertmill } from '../cli/testing/run-certmill.js';
import type { FailPointReport } from '../crash/fail-point.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { ordersFileOf, type ServiceOrders } from './service-under-test.js';
import { aName, TestFleet, until } from './testing/test-fleet.js';

jest.setTimeout(240_000);

/** Stands in the certificates; nobody looks it up here. */
const baseUri = 'http://pki.example';
const shards = 4;
const orderId = 'o1';
const serviceProgram = fileURLToPath(new URL('./service-under-test.js', import.meta.url));

let folder = '';
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
      { role: 'ingest', lanes },
      { role: 'validate', lanes },
      { role: 'sign', lanes, settings: { ocsp: { ...presigning, ...responders } } },
      { role: 'publish', lanes },
      { role: 'status', lanes, settings: { ...nothingSecret, trust: publicTrust } },
    ],
    settings: { maxRequestsPerChunk: 256, ocsp: presigning },
    makeTrust,
    commandOf: (role) => [process.execPath, serviceProgram, role],
  });
  for (const { configFile, name } of fleet.fleet.services) order(configFile, name);
  await Promise.all([fleet.kafka.start(), fleet.mongo.start()]);
  await fleet.fleet.init();
  for (const service of fleet.fleet.services) service.start();
  await fleet.fleet.whenReady();
  await fleet.openOrder(orderId);
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
  const made = await runCertmill(['ca', 'init', 'factory', '--data', directory, ...addresses], {
    env: { CERTMILL_CA_PASSPHRASE_FILE: passphraseFile },
  });
  expect([made.exitCode, made.stderr]).toEqual([0, '']);
  await cp(directory, publicTrust, {
    recursive: true,
    filter: (file) => basename(file) !== 'key.pem',
  });
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

async function issue(count: number): Promise<readonly Device[]> {
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

function ca(name: string, file: string): string {
  return join(publicTrust, 'ca', name, file);
}

function openssl(...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', args, { timeout: 30_000 }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

const statusUrl = (): string => fleet.service('status').apiUrl ?? '';

/** What OpenSSL says of a certificate, once it says what is waited for. */
async function told({ file }: Device, wanted: string): Promise<string> {
  const issuer = [
    '-CAfile',
    ca('factory', 'chain.pem'),
    '-issuer',
    ca('factory', 'certificate.pem'),
  ];
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
    ca('root', 'certificate.pem'),
    '-untrusted',
    ca('factory', 'certificate.pem'),
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
    expect(JSON.stringify(config)).not.toMatch(/passphrase|keyFile|hopKeys|pin|slots|responders/i);
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
    const { raw } = new X509Certificate(readFileSync(ca('factory', 'certificate.pem')));
    expect(Buffer.compare(raw, Buffer.from(await issuer.arrayBuffer()))).toBe(0);
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

it('the store agrees with all of it', async () => {
  expect(await fleet.verified()).toMatchObject({ findings: [], inFlight: 0 });
});
