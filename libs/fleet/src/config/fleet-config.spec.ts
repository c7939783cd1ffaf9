import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFleetConfig } from '../supervise.js';
import type { FleetConfig } from './fleet-config.js';

const directory = mkdtempSync(join(tmpdir(), 'certmill-config-'));
const file = join(directory, 'fleet.yaml');
afterAll(() => {
  rmSync(directory, { recursive: true });
});

type Sections = Readonly<Record<string, unknown>>;

const least: Sections = {
  kafka: { brokers: ['kafka:9092'] },
  mongo: { uri: 'mongodb://mongo:27017/' },
};

/** `sections` with a value at the path; what is on the way is made where it is not there. */
function withField(sections: Sections, path: readonly string[], value: unknown): Sections {
  const [name = '', ...rest] = path;
  const inner = (sections[name] ?? {}) as Sections;
  return { ...sections, [name]: rest.length === 0 ? value : withField(inner, rest, value) };
}

/** A line for each section. */
function write(sections: Sections): void {
  const lines = Object.entries(sections).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  );
  writeFileSync(file, lines.join('\n'));
}

function read(sections: Sections): FleetConfig {
  write(sections);
  return readFleetConfig(file);
}

function refusalOf(sections: Sections): string {
  try {
    read(sections);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    return (error as Error).message;
  }
  throw new Error(`taken: ${JSON.stringify(sections)}`);
}

/** `FILE:LINE: FIELD: `, where the line is that of the field's section. */
function placeOf(field: string, sections: Sections): string {
  const [section = ''] = field.split('.');
  return `${file}:${String(Object.keys(sections).indexOf(section) + 1)}: ${field}: `;
}

describe('numbers of the configuration', () => {
  test.each([
    ['kafka.partitions.bulk', 1, 4096],
    ['kafka.partitions.interactive', 1, 4096],
    ['kafka.replicationFactor', 1, 7],
    ['kafka.minInsyncReplicas', 1, 3],
    ['kafka.sessionTimeoutMs', 1_000, undefined],
    ['kafka.noticeRetentionMs', 60_000, undefined],
    ['redis.port', 1, 65_535],
    ['workers.validate', 1, 256],
    ['workers.sign', 1, 256],
    ['signTimeoutMs', 1_000, 600_000],
    ['maxRequestsPerChunk', 256, 1024],
    ['chunksInHand.bulk', 1, 1024],
    ['chunksInHand.interactive', 1, 1024],
    ['tenantWindow', 256, undefined],
    ['maxAllowListDevices', 1, undefined],
    ['allowListIndexMebibytes', 1, 65_536],
    ['http.port', 0, 65_535],
    ['operations.port', 0, 65_535],
    ['stopTimeoutMs', 0, undefined],
  ])('%s is an integer from %d to %s', (field, lowest, highest) => {
    const path = field.split('.');
    const isFactor = field === 'kafka.replicationFactor';
    const base = isFactor ? withField(least, ['kafka', 'minInsyncReplicas'], 1) : least;
    const top = highest ?? Number.MAX_SAFE_INTEGER;
    for (const value of [lowest, top]) {
      const found = path.reduce<unknown>(
        (inner, name) => (inner as Sections)[name],
        read(withField(base, path, value)),
      );
      expect(found).toBe(value);
    }
    for (const value of [lowest - 1, top + 1, lowest + 0.5, String(lowest), null]) {
      const sections = withField(base, path, value);
      expect(refusalOf(sections)).toContain(placeOf(field, sections));
    }
  });

  test('minInsyncReplicas above replicationFactor could never be written to', () => {
    const sections = withField(least, ['kafka', 'replicationFactor'], 1);
    expect(refusalOf(sections)).toBe(
      `${file}:1: kafka.minInsyncReplicas: must not be above replicationFactor: nothing could ever be written`,
    );
  });
});

describe('texts of the configuration', () => {
  const cases: readonly (readonly [field: string, good: unknown, bad: readonly unknown[]])[] = [
    ['kafka.brokers', ['a:1', 'b:65535'], [[], 'a:1', undefined]],
    ['kafka.brokers.0', 'host:9092', ['host', 'host:', 'u:p@host:1', 'a b:1', '', 1]],
    ['kafka.sasl', { mechanism: 'plain', username: 'u', passwordFile: '/p' }, [{}, true]],
    ['kafka.tls.caFile', '/ca.pem', ['', 1]],
    ['kafka.tls.certFile', '/c.pem', ['', 1]],
    ['kafka.tls.keyFile', '/k.pem', ['', 1]],
    ['mongo.uri', 'mongodb+srv://cluster/?authSource=admin&tls=true', ['http://m/', 'm:27017']],
    ['mongo.database', 'a', ['', 'a'.repeat(39)]],
    ['mongo.username', 'u', ['']],
    ['mongo.passwordFile', '/p', ['']],
    ['redis.host', 'redis', ['']],
    ['redis.username', 'u', ['']],
    ['redis.passwordFile', '/p', ['']],
    ['hopKeys.received', '/k', ['']],
    ['hopKeys.validated', '/k', ['']],
    ['hopKeys.issued', '/k', ['']],
    ['trust', '/t', ['', 1]],
    ['issuers', { a: { tenants: 'all' } }, [[], { '': { tenants: 'all' } }]],
    ['issuers.a', { tenants: ['acme'] }, [{}, { tenants: 'some' }, { tenants: ['no name!'] }]],
    ['passphraseFile', '/p', ['']],
    ['profiles', ['/p'], ['/p', ['']]],
    ['manifestKeyFile', '/m', ['']],
    ['lanes', ['bulk'], [[], ['fast'], 'bulk']],
    ['blocklistFile', '/b', ['']],
    ['cacheDirectory', '/c', ['']],
    ['operations.host', '0.0.0.0', ['']],
    ['tracing', { url: 'http://otel:4318' }, [{}, { url: 'ftp://x' }, { url: 'http://u:p@x' }]],
    ['logLevel', 'trace', ['verbose', '']],
  ];
  test.each(cases)('%s', (field, good, bad) => {
    const path = field.split('.');
    const sections = (value: unknown): Sections =>
      path.at(-1) === '0'
        ? withField(least, path.slice(0, -1), [value])
        : withField(least, path, value);
    expect(read(sections(good))).toBeDefined();
    for (const value of bad) {
      const section = `:${String(Object.keys(sections(value)).indexOf(path[0] ?? '') + 1)}: ${field}`;
      expect(refusalOf(sections(value))).toContain(file + section);
    }
  });

  const slot = { name: 'hsm', module: '/m.so', token: 'east', pinFile: '/pin' };
  test.each([
    ['neither label nor id', slot],
    ['an id that is no hex', { ...slot, keyId: '0g' }],
    ['a PIN in the file', { ...slot, keyLabel: 'ca', pin: '1234' }],
    ['a passphrase in the file', { name: 'file', keyFile: '/k', passphrase: 'secret' }],
    ['a long name', { ...slot, name: 'x'.repeat(64), keyLabel: 'ca' }],
  ])('a slot with %s is refused', (_, bad) => {
    const sections = (value: object): Sections => ({
      ...least,
      issuers: { a: { tenants: 'all', slots: [value] } },
    });
    expect(read(sections({ ...slot, keyLabel: 'ca' })).issuers?.['a']?.slots).toHaveLength(1);
    expect(refusalOf(sections(bad))).toContain(`${file}:3: issuers.a.slots.0`);
  });
});

describe('secrets', () => {
  test.each([
    ['kafka.sasl.password', { mechanism: 'plain', username: 'u', passwordFile: '/p' }],
    ['mongo.password', undefined],
    ['redis.password', undefined],
    ['passphrase', undefined],
    ['kafka.tls.passphrase', undefined],
    ['hopKeys.secretHex', undefined],
  ])('%s is no field: files hold secrets', (field, around) => {
    const path = field.split('.');
    const base = around === undefined ? least : withField(least, path.slice(0, -1), around);
    const message = refusalOf(withField(base, path, 'hunter2-hunter2'));
    expect(message).toMatch(/Unrecognized key/);
    expect(message).toContain(`: ${field}: `);
    expect(message).not.toContain('hunter2');
  });

  test.each([
    'mongodb://user:hunter2@mongo/',
    'mongodb://mongo/?tlsCertificateKeyFilePassword=hunter2',
    'mongodb://mongo/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2',
    'mongodb://mongo/?w=1&proxyPassword=hunter2',
    // No secret, but then anybody is taken for the server.
    'mongodb://mongo/?tlsAllowInvalidCertificates=true',
    'mongodb://mongo/?tlsInsecure=true',
  ])('%s is refused and not quoted', (uri) => {
    const message = refusalOf(withField(least, ['mongo', 'uri'], uri));
    expect(message).toContain(`${file}:2: mongo.uri: must not hold`);
    expect(message).not.toContain('hunter2');
  });
});

describe('the configuration', () => {
  it('has a default for all but the addresses of its servers', () => {
    expect(read(least)).toMatchObject({
      kafka: {
        replicationFactor: 3,
        minInsyncReplicas: 2,
        partitions: { bulk: 24, interactive: 6 },
      },
      mongo: { database: 'certmill' },
      lanes: ['bulk', 'interactive'],
      http: { host: '127.0.0.1', port: 8460 },
      operations: { host: '127.0.0.1', port: 8461 },
      logLevel: 'info',
    });
    expect(refusalOf({ mongo: least['mongo'] })).toContain(`${file}:1: kafka: `);
    expect(refusalOf({ kafka: least['kafka'] })).toContain(`${file}:1: mongo: `);
  });

  it('names every line that is wrong, and keys that it does not know', () => {
    const sections = { ...least, redis: { prot: 1 }, lanes: [], logLvel: 'info' };
    const lines = refusalOf(sections).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines).toEqual([
      expect.stringContaining(`${file}:3: redis.prot: `),
      expect.stringContaining(`${file}:4: lanes: `),
      expect.stringContaining(`${file}:5: logLvel: `),
    ]);
  });

  it('that is no YAML, or not there, is refused', () => {
    writeFileSync(file, 'kafka: [');
    expect(() => readFleetConfig(file)).toThrow(file);
    expect(() => readFleetConfig(join(directory, 'none.yaml'))).toThrow('cannot read');
  });
});
