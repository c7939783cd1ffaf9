import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalFleet, makeRunFolder, type FleetRole } from '@certmill/native';
import { startCertmill } from '../cli/testing/run-certmill.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { lineOfPem, secretsIn, type Secret } from './secure/secrets.js';
import { SecureServers } from './secure/secure-servers.js';

const roles = ['ingest', 'validate', 'sign', 'publish'] as const;
/** A start that has not ended by then waits for something. */
const endsWithinMs = 90_000;

let folder = '';
let servers: SecureServers;
let fleet: LocalFleet;
let secrets: readonly Secret[] = [];
/** What processes and servers said, for the search at the end. */
const said: { readonly where: string; readonly text: string }[] = [];

type Settings = Readonly<Record<string, unknown>>;

function settingsOf(role: FleetRole): Settings {
  const [service] = fleet.of(role);
  return JSON.parse(readFileSync(service?.configFile ?? '', 'utf8')) as Settings;
}

function change(role: FleetRole, settings: Settings): void {
  const [service] = fleet.of(role);
  const text = JSON.stringify({ ...settingsOf(role), ...settings });
  writeFileSync(service?.configFile ?? '', text);
}

function secretsOfFleet(): readonly Secret[] {
  const at = (...path: string[]): string =>
    readFileSync(join(folder, 'fleet', ...path), 'utf8').trim();
  const hexOf = (name: string, ...path: string[]): Secret[] =>
    [...at(...path).matchAll(/[0-9a-f]{32,}/g)].map(([value]) => ({ name, value }));
  const keys = ['received', 'validated', 'issued'].flatMap((hop) =>
    hexOf(`key of hop ${hop}`, 'keys', `hop-${hop}.json`),
  );
  const serialKeys = hexOf('serial key', 'trust', 'serial-keys.json');
  expect([keys.length, serialKeys.length > 0]).toEqual([3, true]);
  return [
    ...servers.secrets,
    ...keys,
    ...serialKeys,
    { name: 'passphrase', value: at('passphrase') },
    { name: 'manifest key', value: lineOfPem(at('keys', 'manifest-key.pem')) },
    { name: 'client key', value: lineOfPem(readFileSync(servers.client.keyFile, 'utf8')) },
    { name: 'API key', value: fleet.adminKey },
  ];
}

beforeAll(async () => {
  folder = await makeRunFolder();
  servers = await SecureServers.start(join(folder, 'servers'));
  await mkdir(join(folder, 'starts'));
  fleet = await LocalFleet.prepare({
    folder: join(folder, 'fleet'),
    environment: servers.environment,
    usesTokens: true,
    plan: roles.map((role) => ({ role, lanes: ['bulk', 'interactive'] })),
    kafka: servers.kafka(),
    settings: { mongo: servers.mongo(), redis: servers.redis(), logLevel: 'trace' },
  });
  const kafka = settingsOf('validate')['kafka'] as Settings;
  change('validate', { kafka: { ...kafka, ...servers.kafka('plain') } });
  change('publish', { kafka: { ...kafka, sasl: undefined, ...servers.kafkaByCertificate() } });
  secrets = secretsOfFleet();
  for (const service of fleet.services) service.start();
  await fleet.whenReady();
});

afterAll(async () => {
  await fleet.stop();
  await servers.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

async function call(path: string, init: Call = {}, key = fleet.adminKey): Promise<Response> {
  return fetch(`${fleet.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${key}`, ...init.headers },
  });
}

async function post(
  path: string,
  contentType: string,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<Response> {
  const headers = { 'content-type': contentType, 'idempotency-key': contentType };
  return call(path, { method: 'POST', headers, body });
}

/** Redis, that did not answer one try in time, refused a service which had begun without it. */
const refusedLate = 'there is no upkeep until this service is started again';

/**
 * Starts a role with settings that are wrong; how it ended, in a word, and what it said last. One that
 * Redis refuses late is started again, as the service says itself.
 */
async function endOf(
  role: FleetRole,
  name: string,
  settings: Settings,
  starts = 3,
): Promise<string> {
  const file = join(folder, 'starts', `${name}.json`);
  const all = { ...settingsOf(role), operations: { port: 0 }, ...settings };
  writeFileSync(file, JSON.stringify(all));
  const started = startCertmill(['serve', '--role', role, '--config', file]);
  const kill = (): boolean => started.child.kill('SIGKILL');
  const timer = setTimeout(kill, endsWithinMs);
  started.child.stderr?.on('data', (data: Buffer) => {
    if (data.includes(refusedLate)) kill();
  });
  const { exitCode, stdout, stderr } = await started.ended;
  clearTimeout(timer);
  said.push({ where: name, text: stdout + stderr });
  if (stderr.includes(refusedLate) && starts > 1) return endOf(role, name, settings, starts - 1);
  expect(stderr).not.toContain('"msg":"ready"');
  const told = stderr.split('\n').find((line) => line.startsWith('error '));
  return `${String(exitCode)} ${told ?? stderr.slice(-500)}`;
}

type Starts = Readonly<Record<string, Settings>>;

async function endsOf(role: FleetRole, starts: Starts): Promise<Readonly<Record<string, string>>> {
  const ends: Record<string, string> = {};
  const names = Object.keys(starts);
  const next = async (): Promise<void> => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      ends[name] = await endOf(role, `${role} ${name}`, starts[name] ?? {});
    }
  };
  await Promise.all([next(), next(), next()]);
  return ends;
}

const expired = /^1 error CONFIG_INVALID: .*its certificate has expired$/;
const elsewhere = /^1 error CONFIG_INVALID: .*its certificate is for another name$/;
const untrusted = /^1 error CONFIG_INVALID: .*certificate is not of a CA that is trusted here$/;
const unwanted = /^1 error CONFIG_INVALID: .*does not take the certificate that it was shown/;
const refused = /^1 error CONFIG_INVALID: .*(?:refuses the credentials|answers WRONGPASS)$/;

const like = (pattern: RegExp): unknown => expect.stringMatching(pattern);

describe('a fleet whose servers let nobody in without TLS and credentials', () => {
  it('issues a batch and an enrolment', async () => {
    const order = {
      orderId: 'o1',
      profile: 'tls-client',
      quota: 1_000,
      requiresAllowList: false,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    };
    const opened = await post('/v1/orders', 'application/json', JSON.stringify(order));
    expect(opened.status).toBe(201);
    const [device, ...csrs] = csrsOf(301);
    const uploaded = await post('/v1/orders/o1/batches', 'application/x-ndjson', ndjsonOf(csrs));
    expect(uploaded.status).toBe(202);
    const { batchId } = (await uploaded.json()) as { readonly batchId: string };
    const enrolled = await post(
      '/v1/orders/o1/certificates?deviceId=dev-0',
      'application/pkcs10',
      new Uint8Array(device?.csr ?? []),
    );
    expect(enrolled.status).toBe(201);
    const deadline = performance.now() + 180_000;
    for (;;) {
      const answer = await call(`/v1/batches/${batchId}`);
      const { counters } = (await answer.json()) as { readonly counters: Settings };
      if (counters['issued'] === 300) break;
      if (performance.now() > deadline) expect(counters).toMatchObject({ issued: 300 });
      await pause(100);
    }
    // Every connection logged in before it asked for anything.
    expect(servers.refusedByMongo).toEqual([]);
  });

  it('does not start a service that the brokers do not accept, or that does not accept them', async () => {
    const { wrongFile, otherCaFile, caFile, stranger } = servers;
    const base = settingsOf('validate')['kafka'] as Settings;
    const withoutSasl = { ...base, sasl: undefined };
    const [scram, plain] = [servers.kafka(), servers.kafka('plain')];
    const wrong = { passwordFile: wrongFile };
    const foreign = { caFile, certFile: stranger.certFile, keyFile: stranger.keyFile };
    const ends = await endsOf('validate', {
      'wrong SCRAM password': { kafka: { ...base, sasl: { ...scram.sasl, ...wrong } } },
      'wrong PLAIN password': { kafka: { ...base, sasl: { ...plain.sasl, ...wrong } } },
      'another CA': { kafka: { ...base, tls: { caFile: otherCaFile } } },
      expired: { kafka: { ...base, ...servers.kafka('plain', 'expired') } },
      elsewhere: { kafka: { ...base, ...servers.kafka('plain', 'elsewhere') } },
      'no certificate': { kafka: { ...withoutSasl, ...servers.kafkaByCertificate({ caFile }) } },
      "a stranger's certificate": {
        kafka: { ...withoutSasl, ...servers.kafkaByCertificate(foreign) },
      },
    });
    expect(ends).toEqual({
      'wrong SCRAM password': like(refused),
      'wrong PLAIN password': like(refused),
      'another CA': like(untrusted),
      expired: like(expired),
      elsewhere: like(elsewhere),
      'no certificate': like(unwanted),
      "a stranger's certificate": like(unwanted),
    });
  });

  it('does not start a service that MongoDB does not accept, or that does not accept it', async () => {
    const { wrongFile, otherCaFile, caFile } = servers;
    const base = servers.mongo();
    const ends = await endsOf('validate', {
      'wrong password': { mongo: { ...base, passwordFile: wrongFile } },
      'another user': { mongo: { ...base, username: 'nobody' } },
      'another CA': { mongo: { ...base, tls: { ...base.tls, caFile: otherCaFile } } },
      expired: { mongo: servers.mongo('expired') },
      elsewhere: { mongo: servers.mongo('elsewhere') },
      'no certificate': { mongo: { ...base, tls: { caFile } } },
    });
    expect(ends).toEqual({
      'wrong password': like(refused),
      'another user': like(refused),
      'another CA': like(untrusted),
      expired: like(expired),
      elsewhere: like(elsewhere),
      'no certificate': like(unwanted),
    });
  });

  it('does not start a service that Redis does not accept, or that does not accept it', async () => {
    const { wrongFile, otherCaFile, caFile } = servers;
    const base = servers.redis();
    const ends = await endsOf('publish', {
      'wrong password': { redis: { ...base, passwordFile: wrongFile } },
      'another CA': { redis: { ...base, tls: { ...base.tls, caFile: otherCaFile } } },
      expired: { redis: servers.redis('expired') },
      elsewhere: { redis: servers.redis('elsewhere') },
      'no certificate': { redis: { ...base, tls: { caFile } } },
    });
    expect(ends).toEqual({
      'wrong password': like(refused),
      'another CA': like(untrusted),
      expired: like(expired),
      elsewhere: like(elsewhere),
      'no certificate': like(unwanted),
    });
  });

  it('waits for brokers that do not speak TLS: they may be starting', async () => {
    const file = join(folder, 'starts', 'clear.json');
    const kafka = { ...(settingsOf('validate')['kafka'] as Settings) };
    const clear = { ...kafka, brokers: servers.plainBrokers };
    const all = { ...settingsOf('validate'), operations: { port: 0 }, kafka: clear };
    writeFileSync(file, JSON.stringify(all));
    const started = startCertmill(['serve', '--role', 'validate', '--config', file]);
    await started.notes(/waiting for kafka at \S+: FAULT_BUS_DOWN/);
    started.child.kill('SIGTERM');
    const { stdout, stderr } = await started.ended;
    said.push({ where: 'in the clear', text: stdout + stderr });
  });

  it('shows no secret: not in logs, processes, metrics or problem documents', async () => {
    for (const service of fleet.services) {
      const pid = String(service.pid);
      for (const file of ['cmdline', 'environ']) {
        const text = await readFile(`/proc/${pid}/${file}`, 'utf8');
        said.push({ where: `${file} of ${service.name}`, text });
      }
      const metrics = await (await fetch(`${service.operationsUrl}/metrics`)).text();
      said.push({ where: `metrics of ${service.name}`, text: metrics });
      const log = await readFile(join(folder, 'fleet', `${service.name}.log`), 'utf8');
      expect(log).toContain('"level":');
      said.push({ where: `log of ${service.name}`, text: log });
    }
    const problems = [
      await call('/v1/orders', {}, `${fleet.adminKey}x`),
      await call('/v1/orders/none'),
      await post('/v1/orders', 'application/json', `{"orderId": "${fleet.adminKey}`),
      await post('/v1/orders/o1/batches', 'application/json', '{}'),
      await post('/v1/orders/o1/certificates?deviceId=x', 'application/pkcs10', 'no CSR'),
    ];
    for (const problem of problems) {
      expect(problem.status).toBeGreaterThanOrEqual(400);
      const text = `${JSON.stringify([...problem.headers])}${await problem.text()}`;
      said.push({ where: `problem ${String(problem.status)}`, text });
    }
    const found = said.flatMap(({ where, text }) =>
      secretsIn(text, secrets).map((name) => `${name} in ${where}`),
    );
    expect(found).toEqual([]);
    // The search does find what is there.
    for (const { name, value } of secrets) {
      const encoded = Buffer.from(value).toString('base64');
      expect(secretsIn(`x${value}x`, secrets)).toContain(name);
      expect(
        secretsIn(JSON.stringify({ a: `Basic ${encoded}` }), [{ name, value: value }]),
      ).toEqual(/^(?:[0-9a-f]{2})+$/.test(value) ? [] : [name]);
    }
  });
});
