import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  authorityProfileNames,
  builtInProfileNames,
  builtInProfileText,
} from '@certmill/domain/profile-files';
import { createHierarchy } from '@certmill/trust';
import { runCertmill } from '../testing/run-certmill.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-profile-'));
  await createHierarchy({
    name: 'line-7',
    directory: folder,
    passphrase: 'only for this test',
    nowMs: Date.now(),
  });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const check = (...args: string[]) => runCertmill(['profile', 'check', ...args]);

describe('profile check', () => {
  it('checks against an issuer of the data folder', async () => {
    const file = written('client.yaml', builtInProfileText('tls-client'));
    const { exitCode, stdout } = await check(file, '--issuer', 'line-7', '--data', folder);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining('version 2, is good under line-7'),
    ]);
    const none = await check(file, '--issuer', 'line-8', '--data', folder);
    expect([none.exitCode, none.stderr]).toEqual([
      1,
      expect.stringMatching(/^error NOT_FOUND: there is no issuer 'line-8'/),
    ]);
  });

  it('says what an issuer lacks of a Matter intermediate', async () => {
    const file = written('dac.yaml', builtInProfileText('matter-dac'));
    expect((await check(file)).exitCode).toBe(0);
    const { exitCode, stderr } = await check(file, '--issuer', 'line-7', '--data', folder);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error PROFILE_INVALID: .*does not fit the issuer line-7:/);
    expect(stderr).toContain(
      'Matter Core Specification 6.2.2.4: the subject holds exactly one vendor id',
    );
  });

  it('says what an AWS provisioning template names and the subject lacks', async () => {
    const file = written('aws.yaml', builtInProfileText('aws-iot'));
    const template = (name: string) =>
      JSON.stringify({ Parameters: { [`AWS::IoT::Certificate::${name}`]: { Type: 'String' } } });
    const good = written('good.json', template('CommonName'));
    const bad = written('bad.json', template('Country'));
    expect((await check(file, '--jitp-template', good)).exitCode).toBe(0);
    const { exitCode, stderr } = await check(file, '--jitp-template', bad);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'AWS::IoT::Certificate::Country: the subject of the profile has no countryName',
    );
    const unreadable = await check(file, '--jitp-template', join(folder, 'nowhere.json'));
    expect(unreadable.stderr).toMatch(/^error INVALID_INPUT: cannot read /);
  });

  it('refuses a profile that would speak for its issuer, whatever it conforms to', async () => {
    const text = builtInProfileText('tls-client')
      .replace('conformsTo: tls-client', 'conformsTo: ocsp-responder')
      .replace('[clientAuth]', '[OCSPSigning]')
      .replace(
        /^ {2}crlDistributionPoints: issuer$/m,
        "  custom: [{ oid: 1.3.6.1.5.5.7.48.1.5, critical: false, valueDerHex: '0500' }]",
      );
    const { exitCode, stderr } = await check(written('responder.yaml', text));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/PROFILE_INVALID: .*OCSPSigning .*no order can have it/);
  });
});

describe('profile list --built-in', () => {
  it('shows the catalogue without a server', async () => {
    const { exitCode, stdout } = await runCertmill(['profile', 'list', '--built-in', '--json']);
    expect(exitCode).toBe(0);
    const { profiles } = JSON.parse(stdout) as {
      profiles: { name: string; usedBy: string; description: string }[];
    };
    const usedBy = (who: string) =>
      profiles.filter((profile) => profile.usedBy === who).map(({ name }) => name);
    expect(usedBy('order')).toEqual([...builtInProfileNames]);
    expect(usedBy('issuer')).toEqual([...authorityProfileNames]);
    expect(usedBy('ca')).toEqual(['matter-paa', 'matter-pai']);
    const table = await runCertmill(['profile', 'list', '--built-in']);
    expect(table.stdout).toMatch(/^profile +version +used by +conforms to +for$/m);
    expect(table.stdout).toMatch(/^wi-sun-fan +1 +order +wi-sun-fan +Device of a Wi-SUN/m);
  });
});
