import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy } from '@certmill/trust';
import { checkRole } from './check-role.js';
import { makeFleetKeys, type FleetKeyFiles } from './keys/make-fleet-keys.js';
import { runService } from './run-service.js';
import { roles, type Role } from './service-context.js';
import { readFleetConfig } from './supervise.js';

const directory = mkdtempSync(join(tmpdir(), 'certmill-check-'));
const at = (name: string): string => join(directory, name);
const configFile = at('fleet.yaml');
const secret = 'hunter2-hunter2-hunter2';
let keys: FleetKeyFiles;

beforeAll(async () => {
  keys = makeFleetKeys(at('keys'), 0);
  await createHierarchy({
    name: 'factory',
    directory: at('trust'),
    passphrase: secret,
    nowMs: Date.now(),
  });
  for (const name of ['password', 'passphrase', 'pin']) {
    writeFileSync(at(name), `${secret}\n`, { mode: 0o600 });
  }
  writeFileSync(at('empty'), '\n');
  writeFileSync(at('open-pin'), secret, { mode: 0o600 });
  chmodSync(at('open-pin'), 0o644);
  writeFileSync(at('module.so'), '');
  writeFileSync(at('garbage'), secret);
  for (const name of ['client', 'other']) {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
      ],
      { stdio: 'ignore' },
    );
  }
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

type Sections = Readonly<Record<string, unknown>>;

/** What every role is content with. */
function good(): Sections {
  const tls = { caFile: at('client.pem'), certFile: at('client.pem'), keyFile: at('client.key') };
  const sasl = { mechanism: 'plain', username: 'u', passwordFile: at('password') };
  const user = { username: 'u', passwordFile: at('password') };
  const slots = [
    { name: 'hsm', module: at('module.so'), token: 't', keyLabel: 'k', pinFile: at('pin') },
    { name: 'file', keyFile: at('client.key'), passphraseFile: at('passphrase') },
  ];
  return {
    kafka: { brokers: ['127.0.0.1:1'], tls, sasl },
    mongo: { uri: 'mongodb://127.0.0.1:1/', tls, ...user },
    redis: { tls, ...user },
    hopKeys: keys.hopKeys,
    trust: at('trust'),
    issuers: { factory: { tenants: 'all', slots, profiles: ['tls-client'] } },
    manifestKeyFile: keys.manifestKey,
    cacheDirectory: directory,
    operations: { port: 0 },
    logLevel: 'silent',
  };
}

/** A line for each section. */
function write(sections: Sections): void {
  const lines = Object.entries(sections)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  writeFileSync(configFile, lines.join('\n'));
}

async function reasonsFor(role: Role, sections: Sections): Promise<readonly string[]> {
  write(sections);
  try {
    await checkRole(role, readFleetConfig(configFile), configFile);
    return [];
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    const { message } = error as Error;
    expect(message).not.toContain(secret);
    return message.split('\n');
  }
}

const lineOf = (section: string): number =>
  readFileSync(configFile, 'utf8')
    .split('\n')
    .findIndex((line) => line.startsWith(`${section}:`)) + 1;

describe('what a role needs of its configuration', () => {
  test.each(roles)('%s is content with what is whole', async (role) => {
    expect(await reasonsFor(role, good())).toEqual([]);
  });

  const none = 'nothing.pem';
  const cases: readonly (readonly [
    what: string,
    roles: readonly Role[],
    section: string,
    change: () => unknown,
    reason: RegExp,
  ])[] = [
    ['no trust', ['ingest', 'sign', 'status'], 'trust', () => undefined, /trust is missing/],
    [
      'an empty trust',
      ['ingest', 'sign', 'status'],
      'trust',
      () => at('keys'),
      /has no issuing CA/,
    ],
    [
      'responses of an issuer that is not there',
      ['ingest', 'sign', 'status'],
      'ocsp',
      () => ({
        issuers: { factori: { presign: 'all' } },
        ...{ responders: at('responders'), responderPassphraseFile: at('passphrase') },
      }),
      /ocsp.issuers.factori: there is no issuer 'factori'/,
    ],
    [
      'responses of one issuer, and no keys that sign them',
      ['sign'],
      'ocsp',
      () => ({ issuers: { factory: { presign: 'all' } } }),
      /ocsp.responders is missing/,
    ],
    [
      'a quorum that is not there',
      ['ingest'],
      'quorumFile',
      () => at(none),
      /quorumFile: there is no .*nothing.pem/,
    ],
    [
      'a quorum that is none',
      ['ingest'],
      'quorumFile',
      () => at('garbage'),
      /quorumFile: .* is no quorum policy: it is not JSON/,
    ],
    [
      'no manifest key',
      ['ingest'],
      'manifestKeyFile',
      () => undefined,
      /manifestKeyFile is missing/,
    ],
    [
      'a manifest key that is none',
      ['ingest'],
      'manifestKeyFile',
      () => at('client.key'),
      /manifestKeyFile: .* is no Ed25519 private key/,
    ],
    [
      'no received key',
      ['ingest', 'validate'],
      'hopKeys',
      () => hops('received'),
      /hopKeys.received is/,
    ],
    [
      'no validated key',
      ['validate', 'sign'],
      'hopKeys',
      () => hops('validated'),
      /hopKeys.validated/,
    ],
    [
      'no issued key',
      ['sign', 'publish'],
      'hopKeys',
      () => hops('issued'),
      /hopKeys.issued is missing/,
    ],
    [
      'keys of a hop that are none',
      ['publish', 'sign'],
      'hopKeys',
      () => ({ ...keys.hopKeys, issued: at('garbage') }),
      /hopKeys: .* is no file of hop keys/,
    ],
    ['no redis', ['publish'], 'redis', () => undefined, /redis is missing: timed jobs need it/],
    [
      'a user without password',
      ['publish'],
      'redis',
      () => ({ username: 'u' }),
      /needs passwordFile/,
    ],
    [
      'no such CA',
      roles,
      'kafka',
      () => kafka({ caFile: at(none) }),
      /kafka.tls.caFile: cannot read/,
    ],
    [
      'a CA that is none',
      roles,
      'kafka',
      () => kafka({ caFile: at('garbage') }),
      /no certificate in PEM/,
    ],
    [
      'half an identity',
      roles,
      'kafka',
      () => kafka({ certFile: at('client.pem') }),
      /go together/,
    ],
    [
      "another certificate's key",
      roles,
      'kafka',
      () => kafka({ certFile: at('client.pem'), keyFile: at('other.key') }),
      /kafka.tls: keyFile does not hold the key of certFile/,
    ],
    [
      'an empty password',
      roles,
      'mongo',
      () => ({ uri: 'mongodb://m/', username: 'u', passwordFile: at('empty') }),
      /mongo.passwordFile: .* is empty/,
    ],
    [
      'no such folder',
      roles,
      'cacheDirectory',
      () => at('none'),
      /cacheDirectory: cannot write to/,
    ],
    ['no such blocklist', ['validate'], 'blocklistFile', () => at(none), /blocklist/],
    ['no such profile file', ['sign'], 'profiles', () => [at(none)], /profiles: cannot read/],
    [
      'an unknown issuer',
      ['ingest', 'sign', 'status'],
      'issuers',
      () => issuer({}, 'other'),
      /no issuer 'other'/,
    ],
    [
      'an unknown profile',
      ['sign'],
      'issuers',
      () => issuer({ profiles: ['no-such-profile'] }),
      /issuers.factory.profiles.0: there is no profile 'no-such-profile'/,
    ],
    ['no slots', ['sign'], 'issuers', () => issuer({}), /factory has no slots/],
    [
      'a PIN that is open to others',
      ['sign'],
      'issuers',
      () => slotOf({ module: at('module.so'), pinFile: at('open-pin') }),
      /issuers.factory.slots.0.pinFile: .* is open to others/,
    ],
    [
      'no such module',
      ['sign'],
      'issuers',
      () => slotOf({ module: at('none.so'), pinFile: at('pin') }),
      /issuers.factory.slots.0.module: cannot read/,
    ],
    [
      'no keys of the log of status changes',
      ['ingest', 'sign'],
      'hopKeys',
      () => hops('status'),
      /hopKeys.status is missing/,
    ],
    [
      'a folder of marks that is not there',
      ['sign'],
      'statusMarks',
      () => at(none),
      /statusMarks: cannot write to/,
    ],
    [
      'the open network without TLS',
      ['ingest'],
      'http',
      () => ({ host: '0.0.0.0' }),
      /refusing to listen on 0.0.0.0 without TLS/,
    ],
  ];
  const hops = (missing: string): unknown => ({ ...keys.hopKeys, [missing]: undefined });
  const kafka = (tls: object): unknown => ({ brokers: ['127.0.0.1:1'], tls });
  const issuer = (more: object, name = 'factory'): unknown => ({
    [name]: { tenants: 'all', ...more },
  });
  const slotOf = (slot: object): unknown =>
    issuer({ slots: [{ name: 'hsm', token: 't', keyLabel: 'k', ...slot }] });

  test.each(cases)('%s: told to %j alone', async (_, concerned, section, change, reason) => {
    const sections = { ...good(), [section]: change() };
    for (const role of roles) {
      const reasons = await reasonsFor(role, sections);
      if (!concerned.includes(role)) {
        expect(reasons).toEqual([]);
        continue;
      }
      expect(reasons.join('\n')).toMatch(reason);
      // What is missing is told at the line of what it is missing in.
      const line = sections[section] === undefined ? 1 : lineOf(section);
      for (const each of reasons) expect(each).toContain(`${configFile}:${String(line)}: `);
    }
  });

  it('names all that is wrong at once', async () => {
    const broken = { ...good(), kafka: kafka({ caFile: at(none) }), redis: undefined, hopKeys: {} };
    expect(await reasonsFor('publish', broken)).toHaveLength(3);
  });

  it('is looked at before a service opens anything', async () => {
    write({ ...good(), hopKeys: {} });
    const starting = runService('validate', readFleetConfig(configFile), {
      configFile,
      onOperations: () => {
        throw new Error('it listens');
      },
    });
    await expect(starting).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
