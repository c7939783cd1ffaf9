import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { Pkcs11Faults, SoftHsm, type Token } from '@certmill/native';
import { openssl } from '../../cli/testing/openssl.js';
import { runCertmill, startCertmill } from '../../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../../cli/testing/work-folder.js';
import {
  curlAt,
  json,
  ndjsonFile,
  ndjsonUpload,
  openOrder,
} from '../../server/testing/running-server.js';

/** Of responders: the CAs need none. */
const passphrase = 'only for this test';
const statusUrl = 'http://status.example';

describe('a standalone server whose issuer has its key in a token', () => {
  let work: WorkFolder;
  let hsm: SoftHsm;
  let token: Token;
  let faults: Pkcs11Faults;
  beforeAll(async () => {
    work = await aWorkFolder();
    hsm = await SoftHsm.open(work.at('softhsm'));
    token = await hsm.createToken({ label: 'vault' });
    faults = await Pkcs11Faults.open(work.at('faults'), hsm.moduleFile);
    for (const [ca, ...options] of [
      ['root', 'ca', 'root', '--subject', 'CN=Vaulted root'],
      ['line', 'ca', 'issue', 'line', '--under', 'root', '--status-url', statusUrl],
    ] as const) {
      const slot = { module: faults.moduleFile, token: 'vault', pinFile: token.pinFile };
      await writeFile(work.at(`${ca}.yaml`), JSON.stringify({ ...slot, keyLabel: ca }));
      const named = ['--data', 'data', '--slot', `${ca}.yaml`];
      const { stderr } = await runCertmill([...options, ...named], { cwd: work.path, env: env() });
      expect(stderr).toBe('');
    }
  });
  afterAll(async () => work[Symbol.asyncDispose]());

  const env = (more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
    ...hsm.environment,
    ...faults.environment,
    ...more,
  });
  const start = async (...options: readonly string[]) => {
    const running = startCertmill(['serve', '--data', 'data', '--port', '0', ...options], {
      cwd: work.path,
      env: env({ CERTMILL_CA_PASSPHRASE: passphrase }),
    });
    const [, url = ''] = await running.says(/serves at (\S+)$/m);
    const [, key] = await running.says(/(?:^ {2}(cm_\S+)\n)?^OpenAPI at/m);
    return { ...running, url, key };
  };

  it('is needed by a command too, which ends where the module hangs', async () => {
    await faults.set({ function: 'C_Sign', does: { sleepMs: 3_600_000 } });
    const { exitCode, stderr } = await runCertmill(['crl', 'build', 'line', '--data', 'data'], {
      cwd: work.path,
      env: env({ CERTMILL_CA_PASSPHRASE: passphrase }),
    });
    await faults.set();
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/^error FAULT_HSM_LOST: .*\n$/)]);
  });

  it('needs a passphrase all the same, for the keys of OCSP responders', async () => {
    const { exitCode, stderr } = await runCertmill(['serve', '--data', 'data', '--port', '0'], {
      cwd: work.path,
      env: env(),
    });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/CONFIG_INVALID.*OCSP responders: set CERTMILL_CA_PASSPHRASE_FILE/),
    ]);
  });

  it('issues with it, certifies its OCSP responder, ends where the module hangs, and makes its CRL', async () => {
    await writeFile(work.at('certmill.yaml'), 'signTimeoutMs: 6000\nstopTimeoutMs: 1000\n');
    const server = await start('--config', 'certmill.yaml');
    const curl = curlAt(server.url, server.key, work.path);
    await curl('POST', '/v1/orders', ...openOrder('o1'));
    const upload = async (name: string): Promise<string> => {
      await ndjsonFile(work, name, 2);
      const options = [...ndjsonUpload(name), '-T', name];
      return (await curl('POST', '/v1/orders/o1/batches', ...options)).location;
    };
    const issued = await curl('GET', `${await upload('dev')}/certificates?follow=true&format=pem`);
    const pems =
      issued.body.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    const files = [work.at('first.pem'), work.at('second.pem')];
    for (const [index, file] of files.entries()) await writeFile(file, pems[index] ?? '');
    const anchor = ['-CAfile', work.at('data/ca/root/certificate.pem')];
    const issuer = work.at('data/ca/line/certificate.pem');
    const verify = ['verify', '-x509_strict', ...anchor, '-untrusted', issuer];
    openssl(...verify, ...files);

    const revocation = json({ deviceIds: ['dev-0'], reason: 'keyCompromise' });
    expect((await curl('POST', '/v1/revocations', ...revocation)).status).toBe(200);
    const asked = files.flatMap((file) => ['-cert', file]);
    const trusted = ['-issuer', issuer, ...anchor, '-verify_other', issuer];
    const answer = execFileSync(
      'openssl',
      ['ocsp', ...trusted, '-url', `${server.url}/ocsp`, ...asked],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    );
    expect(answer).toMatch(/first\.pem: revoked[^]*keyCompromise[^]*second\.pem: good/);

    await faults.set({ function: 'C_Sign', does: { sleepMs: 3_600_000 } });
    const location = await upload('late');
    const failed = await server.ended;
    expect([failed.exitCode, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/FAULT_HSM_LOST: slot \S+ hangs in its module/),
    ]);
    await faults.set();
    const again = await start();
    const after = curlAt(again.url, server.key, work.path);
    const late = await after('GET', `${location}/certificates?follow=true&format=pem`);
    expect(late.body.match(/-----BEGIN CERTIFICATE-----/g)).toHaveLength(2);
    again.child.kill('SIGTERM');
    expect((await again.ended).exitCode).toBe(0);

    for (const command of [
      ['crl', 'build', 'line'],
      ['crl', 'fetch', 'line', '--out', 'line.crl'],
    ]) {
      const args = [...command, '--data', 'data'];
      const { exitCode, stderr } = await runCertmill(args, {
        cwd: work.path,
        env: env({ CERTMILL_CA_PASSPHRASE: passphrase }),
      });
      expect([exitCode, stderr]).toEqual([0, '']);
    }
    const crl = ['-inform', 'DER', '-in', work.at('line.crl'), '-CAfile', issuer, '-noout'];
    expect(openssl('crl', ...crl, '-verify', '-text')).toContain(
      openssl('x509', '-in', files[0] ?? '', '-noout', '-serial')
        .trim()
        .replace('serial=', ''),
    );
  });
});
