import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { decodeReceivedChunk, encodeReceivedChunk, topics } from '@certmill/events';
import { createHops, hopKeysOf } from '@certmill/pipeline';
import type { EventLog } from '@certmill/ports';
import { readServeConfig } from '@certmill/standalone';
import { createHierarchy } from '@certmill/trust';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { oracleSlotModule } from '../crash/oracle-slot.js';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServer,
  aServerIn,
  aTenantKey,
  ndjson,
  type TestServer,
} from './test-server.js';

interface ProblemBody {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

const issuers = { 'acme-ca': 'ec-p256', 'globex-ca': 'ec-p384', 'shared-ca': 'ec-p256' } as const;
const bound = {
  'acme-ca': { tenants: ['acme'] },
  'globex-ca': { tenants: ['globex'] },
  'shared-ca': { tenants: 'all' },
};

const oracleIn = (data: string): string => join(data, 'signatures');
const oracleSlot = (data: string): string =>
  oracleSlotModule({
    oracleFile: oracleIn(data),
    reportFile: join(data, 'reports'),
    armed: undefined,
  });

describe('issuers that are bound to tenants', () => {
  let server: TestServer;
  let acme: string;
  let globex: string;
  beforeAll(async () => {
    server = await aServer({}, {}, { issuers, config: { issuers: bound } });
    acme = await aTenantKey(server, 'acme');
    globex = await aTenantKey(server, 'globex');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('show the issuer of another tenant as one that does not exist', async () => {
    const refusal = async (issuer: string): Promise<ProblemBody> => {
      const response = await anOrder(server, 'o1', { issuer }, acme);
      return (await response.json()) as ProblemBody;
    };
    const foreign = await refusal('globex-ca');
    expect(foreign).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
    const missing = await refusal('no-such-ca');
    expect(foreign.detail.replace('globex-ca', '?')).toBe(
      missing.detail.replace('no-such-ca', '?'),
    );
    expect((await server.call('GET', '/v1/orders/o1', { key: acme })).status).toBe(404);
  });

  it('show nothing of their CRLs to another tenant, nor make any for it', async () => {
    const answersOf = async (key: string, issuer: string): Promise<readonly number[]> => {
      const path = `/v1/issuers/${issuer}/crls`;
      const shown = await server.call('GET', path, { key });
      return [shown.status, (await server.call('POST', path, { key })).status];
    };
    expect(await answersOf(acme, 'acme-ca')).toEqual([200, 202]);
    expect(await answersOf(acme, 'globex-ca')).toEqual([404, 404]);
    expect(await answersOf(acme, 'no-such-ca')).toEqual([404, 404]);
  });

  it.each(['acme-ca', 'shared-ca'])('take the orders of their own tenants: %s', async (issuer) => {
    const opened = await anOrder(server, `own-${issuer}`, { issuer }, acme);
    expect([opened.status, await opened.json()]).toMatchObject([201, { issuer }]);
  });

  it('are the default of a tenant that they serve, the first of them', async () => {
    const issuerOf = async (key: string): Promise<unknown> =>
      ((await (await anOrder(server, 'by-default', {}, key)).json()) as { issuer: string }).issuer;
    expect(await issuerOf(acme)).toBe('acme-ca');
    expect(await issuerOf(globex)).toBe('globex-ca');
    // The operator's tenant is a tenant like the others: no issuer is its by right.
    expect(await issuerOf(server.key)).toBe('shared-ca');
  });

  it('issue for their tenants', async () => {
    await anOrder(server, 'enrol', {}, globex);
    const enrolled = await server.call('POST', '/v1/orders/enrol/certificates?deviceId=g-1', {
      key: globex,
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(aCsr('g-1')),
    });
    expect(enrolled.status).toBe(201);
    expect(new X509Certificate(await enrolled.text()).issuer).toContain('globex-ca');
  });
});

describe('a tenant that no issuer serves', () => {
  it('gets no order and adds no profile', async () => {
    const config = { issuers: { dev: { tenants: ['acme'] } } };
    await using server = await aServer({}, {}, { config });
    const order = await anOrder(server, 'o1');
    expect(await order.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const profile = await server.call('POST', '/v1/profiles', {
      headers: { 'content-type': 'application/yaml' },
      body: readFileSync('libs/domain/profiles/tls-client.yaml', 'utf8'),
    });
    expect(await profile.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
  });
});

describe('profile admission', () => {
  /** Signatures of the issuer of globex, on P-384, have some 30 octets more: it is no good for it. */
  const tight = readFileSync('libs/domain/profiles/tls-client.yaml', 'utf8')
    .replace('name: tls-client', 'name: acme-tight')
    .replace(/^keys:.*$/m, 'keys: [ec-p256]')
    .concat('maxCertificateBytes: 500\n');

  it('asks only the issuers that serve the tenant', async () => {
    const config = {
      issuers: { 'acme-ca': { tenants: ['acme'] }, 'globex-ca': { tenants: 'all' } },
    };
    const two = { 'acme-ca': 'ec-p256', 'globex-ca': 'ec-p384' } as const;
    const add = async (server: TestServer): Promise<number> => {
      const key = await aTenantKey(server, 'acme');
      const headers = { 'content-type': 'application/yaml' };
      return (await server.call('POST', '/v1/profiles', { key, headers, body: tight })).status;
    };
    {
      await using open = await aServer({}, {}, { issuers: two, config });
      expect(await add(open)).toBe(400);
    }
    const own = { ...config.issuers, 'globex-ca': { tenants: ['globex'] } };
    await using bound = await aServer({}, {}, { issuers: two, config: { issuers: own } });
    expect(await add(bound)).toBe(201);
  });
});

describe('an order whose issuer was taken from its tenant', () => {
  it('takes no uploads and no enrolments: 409, before anything is claimed', async () => {
    await using work = await aDataFolder();
    const start = (tenants: unknown): Promise<TestServer> =>
      aServerIn(work.path, { config: { issuers: { dev: { tenants } } } });
    let key: string;
    {
      await using before = await start('all');
      key = await aTenantKey(before, 'acme');
      expect((await anOrder(before, 'o1', {}, key)).status).toBe(201);
    }
    await using after = await start(['globex']);
    const upload = await after.call('POST', '/v1/orders/o1/batches', {
      key,
      headers: { ...ndjson, 'idempotency-key': 'b' },
      body: ndjsonOf(csrsOf(2)),
    });
    expect(await upload.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const enrolled = await after.call('POST', '/v1/orders/o1/certificates?deviceId=d', {
      key,
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(aCsr('d')),
    });
    expect(await enrolled.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const batches = await after.call('GET', '/v1/orders/o1/batches', { key });
    expect(await batches.json()).toEqual({ items: [] });
  });
});

describe('the configuration of issuers', () => {
  it.each([
    [{ dev: { tenants: ['acme'] }, 'dev-2': { tenants: 'all' } }, /no issuer 'dev-2'/],
    [{}, /which tenants issuer 'dev' serves/],
  ])('refuses to start with %j', async (config, reason) => {
    await expect(aServer({}, {}, { config: { issuers: config } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(reason) as string,
    });
  });

  it('is shown by `ca show`', async () => {
    await using work = await aDataFolder();
    await createHierarchy({
      name: 'dev',
      directory: work.path,
      passphrase: 'p',
      nowMs: Date.now(),
    });
    const file = join(work.path, 'certmill.yaml');
    writeFileSync(file, 'issuers: { dev: { tenants: [acme, globex] } }');
    const shown = await runCertmill(
      ['ca', 'show', '--data', work.path, '--config', file, '--json'],
      { cwd: work.path },
    );
    const { authorities } = JSON.parse(shown.stdout) as { authorities: Record<string, unknown>[] };
    expect(authorities.map(({ name, tenants }) => [name, tenants])).toEqual([
      ['root', undefined],
      ['dev', ['acme', 'globex']],
    ]);
  });

  it('names the line of an unknown key, and of a tenant that cannot be', async () => {
    await using work = await aDataFolder();
    const file = join(work.path, 'certmill.yaml');
    writeFileSync(file, 'issuers:\n  dev:\n    tenants: [acme]\n    tenant: globex\n');
    expect(() => readServeConfig(file)).toThrow(/certmill\.yaml:4: issuers\.dev\.tenant: /);
    writeFileSync(file, 'issuers:\n  dev:\n    tenants: [Acme Corp]\n');
    expect(() => readServeConfig(file)).toThrow(/certmill\.yaml:3: issuers\.dev\.tenants/);
  });
});

describe('sign', () => {
  /** A bug, or someone who holds the keys of ingest: chunks of acme name the issuer of globex. */
  const misdirecting = (log: EventLog, data: string): EventLog => {
    const received: readonly string[] = Object.values(topics.requestsReceived);
    return {
      subscribe: (options) => log.subscribe(options),
      lag: (topic, group) => log.lag(topic, group),
      readDeadLetter: (...args) => log.readDeadLetter(...args),
      append(topic, record) {
        if (!received.includes(topic)) return log.append(topic, record);
        const hops = createHops(hopKeysOf(readFileSync(join(data, 'hop-secret'))), {
          nowMs: () => Date.now(),
        });
        const chunk = { ...decodeReceivedChunk(record.value), issuer: 'globex-ca' };
        return log.append(...hops.received.seal(chunk, encodeReceivedChunk(chunk)));
      },
    };
  };

  it.each([
    [{ 'acme-ca': { tenants: ['acme'] }, 'globex-ca': { tenants: ['globex'] } }, 0],
    // Shows that nothing but the binding stops it.
    [{ 'acme-ca': { tenants: ['acme'] }, 'globex-ca': { tenants: 'all' } }, 20],
  ])(
    'refuses a sealed chunk of a tenant that the issuer does not serve: %j',
    async (config, signed) => {
      let oracle = '';
      await using server = await aServer(
        {},
        {},
        {
          issuers: { 'acme-ca': 'ec-p256', 'globex-ca': 'ec-p256' },
          config: { issuers: config },
          overridesIn(data) {
            oracle = oracleIn(data);
            return {
              slotModule: oracleSlot(data),
              aroundLog: (log) =>
                Object.assign(Object.create(log) as typeof log, misdirecting(log, data)),
            };
          },
        },
      );
      const acme = await aTenantKey(server, 'acme');
      expect((await anOrder(server, 'o1', {}, acme)).status).toBe(201);
      const uploaded = await server.call('POST', '/v1/orders/o1/batches', {
        key: acme,
        headers: { ...ndjson, 'idempotency-key': 'b' },
        body: ndjsonOf(csrsOf(20)),
      });
      expect(uploaded.status).toBe(202);
      const path = uploaded.headers.get('location') ?? '';
      const events = await (await server.call('GET', `${path}/events`, { key: acme })).text();
      const last = events.trim().split('data: ').at(-1) ?? '';
      expect(JSON.parse(last)).toMatchObject({
        counters: { accepted: 20, issued: signed, deadLettered: 20 - signed, inFlight: 0 },
      });
      const signatures = existsSync(oracle) ? readFileSync(oracle, 'utf8') : '';
      expect(signatures.match(/\n/g) ?? []).toHaveLength(signed);
    },
  );
});
