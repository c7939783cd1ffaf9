import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { ceremonyFileJsonSchema } from './ceremony-file.js';
import { operationHash } from './operation.js';
import { ceremonyOperation, parseCeremony } from './parse-ceremony.js';
import { aCeremony, aliceAndFriends } from './testing/a-ceremony.js';
import { draftCeremony } from './write-ceremony.js';

const stepsYaml = JSON.stringify(aCeremony().steps);
const draft = { ...aCeremony(), stepsYaml, stepsFileName: 'steps.yaml' };
const noFiles = async (file: string): Promise<string> => Promise.reject(new Error(file));

let text: string;
beforeAll(async () => {
  text = await draftCeremony(draft, noFiles);
});

describe('a ceremony file', () => {
  it('reads back as it was drafted, comments and all', () => {
    expect(text).toContain('# Random: approvals are for this ceremony and no other.');
    expect(parseCeremony(text, 'root.yaml')).toEqual(aCeremony());
  });

  it('has one hash, however it is written', () => {
    const hash = operationHash(ceremonyOperation(aCeremony()));
    expect(operationHash(ceremonyOperation(parseCeremony(text, 'a')))).toBe(hash);
    const json = JSON.stringify(parse(text), undefined, 4);
    expect(operationHash(ceremonyOperation(parseCeremony(json, 'a')))).toBe(hash);
    const other = aCeremony({ quorum: { approvals: 1, shares: 2, witnesses: 1 } });
    expect(operationHash(ceremonyOperation(other))).not.toBe(hash);
  });

  it.each([
    ['an unknown key', /^id:/m, 'ide:', "ceremony: unknown key 'ide'"],
    ['a window that ends first', '2026-12-01', '2026-10-01', 'window.notAfter: is not after'],
    ['31 November', '2026-12-01', '2026-11-31', 'expected an instant in UTC'],
    ['too few administrators', 'approvals: 2', 'approvals: 4', 'role administrator are 3'],
    ['too few custodians', 'shares: 2', 'shares: 4', 'role custodian are 3'],
    ['no witness', 'witnesses: 1', 'witnesses: 0', 'quorum.witnesses'],
    ['too few witnesses', 'witnesses: 1', 'witnesses: 2', 'role witness are 1'],
    ['no shares for a key to split', /^ {2}shares: 2\n/m, '', 'quorum.shares has to say'],
    ['a witness who takes part', '- witness', '- witness\n      - custodian', 'has no part'],
    ['an unknown step', 'do: make-root', 'do: make-coffee', 'steps.0.do'],
    ['one name twice', 'name: bob', 'name: alice', 'a name stands twice'],
    [
      'a PAA of another curve',
      /ec-p256([^]*)profile: root/,
      'ec-p384$1profile: matter-paa',
      'CA profile matter-paa: the key is ec-p256, not ec-p384',
    ],
    [
      'a PAA whose name says another vendor id in words',
      /O=Example,CN=Example Root([^]*)profile: root/,
      'CN=Example Mvid:fff1$1profile: matter-paa',
      'CA profile matter-paa: of it, ',
    ],
    [
      'a PAA whose names are longer than Matter takes',
      /subject: .*([^]*)profile: root/,
      `subject: CN=${'x'.repeat(64)},O=${'y'.repeat(64)}$1purposes: [${Array.from({ length: 60 }, (_, i) => `1.3.6.1.4.1.99999.${String(i)}`).join(', ')}]\n    profile: matter-paa`,
      'CA profile matter-paa: of it, ',
    ],
    [
      'a status address of https',
      'pathLength: 1',
      'statusUrl: https://pki.example',
      'must begin with http://',
    ],
    ['CRLs of no address', 'pathLength: 1', 'crlShards: 4', 'crlShards needs a statusUrl'],
    ['a life of no time', 'notAfter: never', 'lifetime: 0d', 'validity.lifetime'],
    ['a life beyond the year 9999', 'notAfter: never', 'lifetime: 9000y', 'ends after the year'],
    ['a subject that is none', 'O=Example,', 'X=Example,', "has 'X=Example'"],
    ['a root that has ended by then', 'notAfter: never', 'lifetime: 3d', 'would have ended'],
    ['a root without CAs', 'pathLength: 1', 'pathLength: 0', 'steps.0.pathLength'],
  ])('is refused with %s, naming the line', (_, from, to, reason) => {
    const bad = text.replace(from, to);
    expect(bad).not.toBe(text);
    expect(() => parseCeremony(bad, 'root.yaml')).toThrow(
      new RegExp(`^root\\.yaml:\\d+: .*${reason.replace('.', '\\.')}`, 'm'),
    );
  });

  it.each([
    ['permit: [example.com]', "'example.com' cannot be read: write dns:"],
    ['permit: [dns:a.example, dns:A.example]', "'dns:A.example' stands twice"],
    ['permit: [dns:a.example]\n    exclude: [dns:a.example]', "'dns:a.example' stands twice"],
    ['purposes: [clientAuth]', "'clientAuth' is no object identifier"],
    ['policies: [1.40.1]', "'1.40.1' is no object identifier"],
    ['permit: []', 'steps.0.permit'],
  ])('is refused where a root says %s', (constraint, reason) => {
    const bad = text.replace('pathLength: 1', constraint);
    expect(() => parseCeremony(bad, 'root.yaml')).toThrow(reason);
  });

  it.each([
    [{ do: 'make-crl', ca: 'root', nextUpdate: '0d' }, 'steps.0.nextUpdate'],
    [{ do: 'make-crl', ca: 'root', nextUpdate: '9000y' }, 'ends after the year 9999'],
    [{ do: 'renew-root', validity: { lifetime: '9000y' } }, 'ends after the year 9999'],
    [{ do: 'backup-keys', cas: ['root', 'factory', 'root'] }, 'a CA stands twice'],
    [{ do: 'restore-keys', bundle: { file: 'a\\b' } }, 'steps.0.bundle.file'],
    [{ do: 'restore-keys', bundle: { file: 'a/..' } }, 'steps.0.bundle.file'],
    [
      { do: 'revoke-ca', under: 'root', certificate: { file: 'a' }, reason: 'certificateHold' },
      'steps.0.reason',
    ],
  ])('is refused for the step %j', async (step, reason) => {
    const stepsYaml = JSON.stringify([step]);
    const sha256 = (): Promise<string> => Promise.resolve('ab'.repeat(32));
    await expect(draftCeremony({ ...draft, stepsYaml }, sha256)).rejects.toThrow(reason);
  });

  it('is refused where two names have one key: one person counts once', () => {
    const { alice, bob } = aliceAndFriends;
    const bad = JSON.stringify(aCeremony()).replaceAll(
      JSON.stringify(bob.publicKey),
      JSON.stringify(alice.publicKey),
    );
    expect(() => parseCeremony(bad, 'root.yaml')).toThrow('a key stands twice');
  });

  it('is refused with an RSA key, a private key or none', () => {
    for (const key of ['', '-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----']) {
      const bad = JSON.stringify(aCeremony()).replace(
        JSON.stringify(aliceAndFriends.bob.publicKey),
        JSON.stringify(key),
      );
      expect(() => parseCeremony(bad, 'root.yaml')).toThrow('participants.1.publicKey: a partici');
    }
  });

  it('takes in the hash of a file that a step names', async () => {
    const steps = '- do: restore-keys\n  bundle: { file: bundle.json }\n';
    const written = await draftCeremony({ ...draft, stepsYaml: steps }, (file) =>
      Promise.resolve(file === 'bundle.json' ? 'ab'.repeat(32) : ''),
    );
    expect(parseCeremony(written, 'x').steps).toEqual([
      { do: 'restore-keys', bundle: { file: 'bundle.json', sha256: 'ab'.repeat(32) } },
    ]);
  });
});

describe('docs/ceremony.schema.json', () => {
  it('is what the schema of ceremony files generates', () => {
    const file = new URL('../../../../docs/ceremony.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(ceremonyFileJsonSchema())),
    );
  });
});
