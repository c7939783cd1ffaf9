import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SoftHsm, type Token } from '@certmill/native';
import { openssl } from '../../cli/testing/openssl.js';
import { runCertmill } from '../../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../../cli/testing/work-folder.js';

const root = join(import.meta.dirname, '../../../..');
/** Tries to read the secret of every private key of the token, as a thief with the PIN would. */
const theft = `
const { PKCS11 } = require('pkcs11js');
const { readFileSync } = require('node:fs');
const [moduleFile, token, pinFile] = process.argv.slice(1);
const p = new PKCS11();
p.load(moduleFile);
p.C_Initialize();
const slot = p.C_GetSlotList(true).find((one) => p.C_GetTokenInfo(one).label.trimEnd() === token);
const session = p.C_OpenSession(slot, 6);
p.C_Login(session, 1, readFileSync(pinFile, 'utf8'));
p.C_FindObjectsInit(session, [{ type: 0, value: 3 }]);
const keys = p.C_FindObjects(session, 100);
p.C_FindObjectsFinal(session);
const read = (key, type) => {
  try { return p.C_GetAttributeValue(session, key, [{ type }])[0].value.toString('hex'); }
  catch (error) { return error.message; }
};
const change = (key) => {
  try { p.C_SetAttributeValue(session, key, [{ type: 0x162, value: true }]); return 'changed'; }
  catch (error) { return error.message; }
};
console.log(JSON.stringify(keys.map((key) => ({
  sensitive: read(key, 0x103), extractable: read(key, 0x162), secret: read(key, 0x11), loosened: change(key),
}))));
`;

describe('the key of a CA in a token', () => {
  let work: WorkFolder;
  let hsm: SoftHsm;
  let token: Token;
  beforeAll(async () => {
    work = await aWorkFolder();
    hsm = await SoftHsm.open(work.at('softhsm'));
    token = await hsm.createToken({ label: 'vault' });
  });
  afterAll(async () => work[Symbol.asyncDispose]());

  const slotFile = async (keyLabel: string, pinFile = token.pinFile): Promise<string> => {
    const slot = { name: 'vault', module: hsm.moduleFile, token: 'vault', keyLabel, pinFile };
    const file = work.at(`${keyLabel}.yaml`);
    await writeFile(file, JSON.stringify(slot));
    return file;
  };
  const certmill = (...args: string[]) =>
    runCertmill(args, { cwd: work.path, env: { ...hsm.environment } });
  const succeeds = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await certmill(...args);
    expect(exitCode === 0 ? '' : stderr).toBe('');
    return stdout + stderr;
  };
  const certificate = async (...path: string[]): Promise<X509Certificate> =>
    new X509Certificate(await readFile(work.at(...path, 'certificate.pem')));

  it.each(['ec-p384', 'rsa-3072', 'ed25519'])(
    'is made there, signs there, and cannot be taken out: %s',
    async (keyType) => {
      const data = `offline-${keyType}`;
      const slot = await slotFile(`root-${keyType}`);
      const subject = `O=Example,CN=Root ${keyType}`;
      const named = ['--data', data, '--slot', slot, '--subject', subject, '--key', keyType];
      expect(await succeeds('ca', 'root', ...named)).not.toContain('DEVELOPMENT');
      expect((await readdir(work.at(data, 'ca/root'))).sort()).toEqual([
        ...['certificate.pem', 'chain.pem', 'chain.sha256', 'slot.json'],
      ]);
      expect(await readdir(work.at(data, 'ca'))).not.toContain('development-passphrase');
      const under = ['--under', 'root', '--parent-data', data, '--data', `plant-${keyType}`];
      await succeeds('ca', 'issue', 'factory', ...under);
      await succeeds('ca', 'crl', 'root', '--next', '30d', '--data', data, '--out', 'root.crl');
      const anchor = work.at(data, 'ca/root/certificate.pem');
      const issued = work.at(`plant-${keyType}`, 'ca/factory/certificate.pem');
      expect(openssl('verify', '-x509_strict', '-CAfile', anchor, issued)).toContain(': OK');
      openssl('crl', '-in', work.at('root.crl'), '-CAfile', anchor, '-noout', '-verify');
      expect(await succeeds('ca', 'show', '--data', data)).toContain('key in token vault');
      await succeeds('ca', 'renew', 'root', '--data', data, '--lifetime', '40y');
      openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', anchor, issued);
    },
  );

  it("is that of a CA under somebody else's root, whose request it signs", async () => {
    const foreign = ['-subj', '/CN=Foreign root', '-days', '3650', '-addext'];
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes'],
      ...[
        ...foreign,
        'keyUsage=critical,keyCertSign,cRLSign',
        '-keyout',
        work.at('foreign.key'),
        '-out',
        work.at('foreign.pem'),
      ],
    );
    const signed = (request: string, certificateFile: string): void => {
      openssl(
        ...['x509', '-req', '-in', work.at(request), '-copy_extensions', 'copyall', '-days', '900'],
        ...['-CA', work.at('foreign.pem'), '-CAkey', work.at('foreign.key')],
        ...['-out', work.at(certificateFile)],
      );
    };
    const chain = async (certificateFile: string): Promise<string> => {
      const file = `${certificateFile}.chain`;
      const parts = [certificateFile, 'foreign.pem'].map((name) => readFile(work.at(name), 'utf8'));
      await writeFile(work.at(file), (await Promise.all(parts)).join(''));
      return file;
    };
    const slot = await slotFile('below-foreign');
    const asked = ['--slot', slot, '--data', 'below', '--subject', 'O=Example,CN=Below'];
    expect(
      await succeeds('ca', 'request', 'factory', ...asked, '--out', 'first.csr'),
    ).not.toContain('DEVELOPMENT');
    openssl('req', '-in', work.at('first.csr'), '-noout', '-verify');
    expect((await readdir(work.at('below/ca-requests/factory'))).sort()).toEqual([
      ...['ca.json', 'request.pem', 'slot.json'],
    ]);
    signed('first.csr', 'first.pem');
    // Killed behind the key: the folder is gone, the key is not, and the next request is for it.
    await rm(work.at('below/ca-requests/factory'), { recursive: true });
    await succeeds('ca', 'request', 'factory', ...asked, '--out', 'again.csr');
    const twice = await certmill('ca', 'request', 'factory', ...asked);
    expect([twice.exitCode, twice.stderr]).toEqual([1, expect.stringContaining('CONFLICT')]);
    const other = await slotFile('below-other');
    await succeeds(
      ...['ca', 'request', 'other', '--slot', other, '--data', 'below'],
      ...['--subject', 'O=Example,CN=Below', '--out', 'other.csr'],
    );
    signed('other.csr', 'other.pem');
    const complete = ['ca', 'complete', 'factory', '--data', 'below', '--chain'];
    const mistaken = await certmill(...complete, await chain('other.pem'));
    expect([mistaken.exitCode, mistaken.stderr]).toEqual([
      1,
      expect.stringContaining('FAULT_KEY_MISMATCH'),
    ]);
    const completed = await succeeds(...complete, await chain('first.pem'));
    expect(completed).not.toContain('DEVELOPMENT');
    expect((await readdir(work.at('below/ca/factory'))).sort()).toEqual([
      ...['ca.json', 'certificate.pem', 'chain.pem', 'chain.sha256', 'slot.json'],
    ]);
    expect(await readdir(work.at('below/ca-requests'))).toEqual(['other']);
    await succeeds(
      ...['ca', 'request', 'factory', '--renewal', '--data', 'below', '--out', 'renewal.csr'],
    );
    signed('renewal.csr', 'renewed.pem');
    await succeeds(...complete, await chain('renewed.pem'));
    await succeeds(
      'ca',
      'crl',
      'factory',
      '--next',
      '30d',
      '--data',
      'below',
      '--out',
      'below.crl',
    );
    const { serialNumber } = await certificate('below/ca/factory');
    expect(serialNumber).toBe(
      new X509Certificate(await readFile(work.at('renewed.pem'))).serialNumber,
    );
    const issued = work.at('below/ca/factory/certificate.pem');
    openssl('verify', '-x509_strict', '-CAfile', work.at('foreign.pem'), issued);
    openssl('crl', '-in', work.at('below.crl'), '-CAfile', issued, '-noout', '-verify');
  });

  it('is followed by another one in a token, and by none in a file', async () => {
    const slots = ['root-1', 'root-2', 'line-1', 'line-2'];
    const [root1 = '', root2 = '', line1 = '', line2 = ''] = await Promise.all(
      slots.map((label) => slotFile(`rekey-${label}`)),
    );
    const data = ['--data', 'rekeyed'];
    await succeeds('ca', 'root', ...data, '--slot', root1, '--subject', 'CN=Rekeyed root');
    await succeeds('ca', 'issue', 'line', '--under', 'root', ...data, '--slot', line1);
    const rekey = ['ca', 'rekey', 'line', '--as', 'line-2', ...data];
    for (const [options, reason] of [
      [[], /INVALID_INPUT: the key of 'line' is in a token: say with --slot/],
      [['--slot', line1], /CONFLICT: the key of 'line' has the label rekey-line-1/],
    ] as const) {
      const { exitCode, stderr } = await certmill(...rekey, ...options);
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(reason)]);
    }
    await succeeds(...rekey, '--slot', line2);
    expect(
      (await readdir(work.at('rekeyed/ca'))).filter((name) => !name.startsWith('.')).sort(),
    ).toEqual([...['line', 'line-2', 'root']]);
    expect(await readdir(work.at('rekeyed/ca/line-2'))).toContain('slot.json');
    await succeeds(...['ca', 'rekey', 'root', ...data, '--into', 'rekeyed-root', '--slot', root2]);
    expect(await readdir(work.at('rekeyed-root/ca/root'))).toContain('slot.json');
    const anchor = ['-CAfile', work.at('rekeyed-root/ca/root/certificate.pem')];
    const [oldWithNew = ''] = await readdir(work.at('rekeyed/ca/root/alternative'));
    const between = ['-untrusted', work.at('rekeyed/ca/root/alternative', oldWithNew)];
    const successor = work.at('rekeyed/ca/line-2/certificate.pem');
    openssl('verify', '-x509_strict', ...anchor, ...between, successor);
  });

  it('is one that the token keeps: no secret, not even with the PIN', () => {
    const args = ['-e', theft, hsm.moduleFile, 'vault', token.pinFile];
    const env = { ...process.env, ...hsm.environment };
    const output = execFileSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
    const keys = JSON.parse(output) as Record<string, string>[];
    // Three roots, two requests, four of the rekeyed hierarchy.
    expect(keys).toHaveLength(9);
    for (const { sensitive, extractable, secret, loosened } of keys) {
      expect([sensitive, extractable]).toEqual(['01', '00']);
      expect(secret).toMatch(/^CKR_ATTRIBUTE_(?:SENSITIVE|TYPE_INVALID)/);
      expect(loosened).toMatch(/^CKR_/);
    }
  });

  it('is found again by a command that was killed behind it, and is nobody else', async () => {
    const slot = await slotFile('root-again');
    const named = ['--slot', slot, '--subject', 'CN=Again'];
    await succeeds('ca', 'root', '--data', 'lost', ...named);
    await succeeds('ca', 'root', '--data', 'found', ...named);
    const [lost, found] = [await certificate('lost/ca/root'), await certificate('found/ca/root')];
    expect(found.publicKey.equals(lost.publicKey)).toBe(true);
    expect(found.serialNumber).not.toBe(lost.serialNumber);
    const other = await certmill(
      ...['ca', 'root', '--data', 'other', '--slot', slot, '--subject', 'CN=Other'],
    );
    expect([other.exitCode, other.stderr]).toEqual([
      1,
      expect.stringMatching(/CONFLICT.*has another private key with the label root-again/),
    ]);
    expect(await readdir(work.path)).not.toContain('other');
  });

  it('needs a PIN, of a file that nobody else reads', async () => {
    const wrong = await hsm.writePinFile('wrong', '0000');
    const open = await hsm.writePinFile('open', token.pin);
    await chmod(open, 0o644);
    for (const [pinFile, reason] of [
      [wrong, /FAULT_HSM_REFUSED.*refuses the PIN/],
      [open, /CONFIG_INVALID.*PIN file/],
    ] as const) {
      const slot = await slotFile('refused', pinFile);
      const { exitCode, stderr } = await certmill('ca', 'root', '--data', 'none', '--slot', slot);
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(reason)]);
      expect(stderr).not.toContain(token.pin);
    }
    expect(await readdir(work.path)).not.toContain('none');
  });

  it('is made in a ceremony, which uses it where it is', async () => {
    await writeFile(work.at('people.pass'), 'only for this test', { mode: 0o600 });
    const pass = `file:${work.at('people.pass')}`;
    for (const name of ['alice', 'bob', 'wendy']) {
      const [key, publicKey] = [work.at(`${name}.key`), work.at(`${name}.pub`)];
      openssl('genpkey', ...['-algorithm', 'ed25519', '-aes-256-cbc', '-pass', pass, '-out', key]);
      openssl('pkey', '-in', key, '-passin', pass, '-pubout', '-out', publicKey);
    }
    const people = ['alice', 'bob'].flatMap((name) => [
      ...['--participant', `${name}=administrator:${name}.pub`],
    ]);
    people.push('--participant', 'wendy=witness:wendy.pub');
    const slot = await slotFile('ceremony-root');
    const carriedOut = async (name: string, steps: object[], ...more: string[]) => {
      await writeFile(work.at(`${name}.steps.yaml`), JSON.stringify(steps));
      await succeeds(
        ...['ceremony', 'new', `${name}.yaml`, '--description', 'Of a test.'],
        ...['--steps', `${name}.steps.yaml`, ...people],
      );
      const run = ['ceremony', 'run', `${name}.yaml`, '--data', 'vaulted'];
      await succeeds(...run, '--dry-run');
      for (const who of ['alice', 'bob']) {
        const key = ['--key', `${who}.key`, '--passphrase-file', 'people.pass'];
        await succeeds('ceremony', 'approve', `${name}.yaml`, ...key);
      }
      const approvals = ['alice', 'bob'].flatMap((who) => [
        ...['--approval', `${name}.yaml.${who}.approval.json`],
      ]);
      return certmill(...run, '--allow-network', ...approvals, ...more);
    };
    const makeRoot = {
      ...{ do: 'make-root', key: 'ec-p256', subject: 'CN=Vaulted', profile: 'root' },
      validity: { lifetime: '20y' },
      slot: { token: 'vault', keyLabel: 'ceremony-root' },
    };
    const crl = { do: 'make-crl', ca: 'root', nextUpdate: '90d' };
    const without = await carriedOut('first', [makeRoot, crl]);
    expect(without.stderr).toContain('give its --slot FILE');
    const approvals = ['alice', 'bob'].flatMap((who) => [
      ...['--approval', `first.yaml.${who}.approval.json`],
    ]);
    await succeeds(
      ...['ceremony', 'run', 'first.yaml', '--data', 'vaulted', '--allow-network'],
      ...[...approvals, '--slot', slot],
    );
    const renewed = await carriedOut('second', [
      { do: 'renew-root', validity: { lifetime: '30y' } },
    ]);
    expect(renewed.exitCode).toBe(0);
    const anchor = work.at('vaulted/ca/root/certificate.pem');
    expect((await certificate('vaulted/ca/root')).validToDate.getUTCFullYear()).toBeGreaterThan(
      new Date().getUTCFullYear() + 28,
    );
    openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', anchor, anchor);
    expect(await readdir(work.at('vaulted/ca/root'))).toEqual(
      expect.arrayContaining(['slot.json', 'ca.crl']),
    );
    for (const name of await readdir(work.at('vaulted/ca/root'))) {
      expect(name).not.toMatch(/^key\./);
    }
    const destroyed = await carriedOut('third', [
      { do: 'destroy-key', ca: 'root', reason: 'A test.' },
    ]).catch((error: unknown) => ({ stderr: String(error) }));
    expect(destroyed.stderr).toContain('is in token vault');
  });
});
