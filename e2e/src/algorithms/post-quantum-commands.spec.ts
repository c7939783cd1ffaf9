import { X509Certificate } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCertmill, type Ended } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import { aCsr } from '../testing/a-csr.js';

const root = join(import.meta.dirname, '../../..');
const env = { CERTMILL_CA_PASSPHRASE: 'only for this test' };

let work: WorkFolder;
beforeEach(async () => {
  work = await aWorkFolder();
});
afterEach(() => work[Symbol.asyncDispose]());

const certmill = (...args: string[]): Promise<Ended> => runCertmill(args, { cwd: work.path, env });

const objectOf = ({ stdout }: Ended): unknown => JSON.parse(stdout);

/** A root and the issuing CA `pq` in the folder. */
async function init(data: string, key: string, rootKey: string): Promise<Ended> {
  const made = await certmill(
    ...['ca', 'init', 'pq', '--key', key, '--root-key', rootKey, '--data', data, '--json'],
  );
  expect([made.exitCode, made.stderr]).toEqual([0, '']);
  return made;
}

it('a hierarchy of ML-DSA is made, shown and carried to another folder by its files', async () => {
  const made = await init('first', 'ml-dsa-65', 'ml-dsa-87');
  expect(objectOf(made)).toMatchObject({ keyType: 'ml-dsa-65' });
  const shown = await certmill('ca', 'show', '--data', 'first');
  expect(shown.stdout).toMatch(/^root +root +ml-dsa-87 [^]*^pq +issuing +ml-dsa-65 /m);
  const ca = work.at('first', 'ca', 'pq');
  const imported = await certmill(
    ...['ca', 'import', 'moved', '--key', join(ca, 'key.pem'), '--chain', join(ca, 'chain.pem')],
    ...['--data', 'second', '--json'],
  );
  expect([imported.exitCode, imported.stderr]).toEqual([0, '']);
  expect(objectOf(imported)).toMatchObject({ name: 'moved', keyType: 'ml-dsa-65' });
  const other = await certmill('ca', 'init', 'b', '--root-key', 'ec-p384', '--data', 'first');
  expect(other.exitCode).not.toBe(0);
  expect(other.stderr).toMatch(/^error CONFLICT: .*a root already, with a key of type ml-dsa-87/m);
});

it('an ML-DSA issuer certifies what the profile accepts, and refuses an ML-DSA key that it does not', async () => {
  await init('data', 'ml-dsa-44', 'ec-p384');
  await writeFile(work.at('ec.csr'), aCsr('ec'));
  const fixtures = join(root, 'libs/pipeline/test-data/interop/bouncycastle');
  await copyFile(join(fixtures, 'ml-dsa-44.pem'), work.at('pq.pem'));
  const issued = await certmill(
    ...['issue', 'ec.csr', 'pq.pem', '--profile', 'tls-client', '--out', 'out', '--data', 'data'],
  );
  expect(issued.exitCode).toBe(2);
  const rejected = JSON.parse(
    await readFile(work.at('out', 'rejections.ndjson'), 'utf8'),
  ) as object;
  expect(rejected).toMatchObject({ source: 'pq.pem:1', code: 'KEY_ALGORITHM_FORBIDDEN' });
  const leaf = new X509Certificate(await readFile(work.at('out', 'ec.pem')));
  const issuer = new X509Certificate(
    await readFile(work.at('data', 'ca', 'pq', 'certificate.pem')),
  );
  expect(issuer.publicKey.asymmetricKeyType).toBe('ml-dsa-44');
  expect([leaf.checkIssued(issuer), leaf.verify(issuer.publicKey)]).toEqual([true, true]);
  const checked = await certmill('verify-store', '--data', 'data', '--json');
  expect([checked.exitCode, objectOf(checked)]).toEqual([
    0,
    expect.objectContaining({ certificates: 1, findings: [] }),
  ]);
});

it('a profile that lets an ML-DSA key encipher is refused with the clause', async () => {
  const tlsClient = await readFile(join(root, 'libs/domain/profiles/tls-client.yaml'), 'utf8');
  const profile = (bits: string): string =>
    tlsClient
      .replace(/^keys: .*$/m, 'keys: [ml-dsa-87]')
      .replace(/bits: \[[^\]]*\]/, `bits: [${bits}]`);
  await writeFile(work.at('good.yaml'), profile('digitalSignature'));
  await writeFile(work.at('bad.yaml'), profile('digitalSignature, keyEncipherment'));
  expect((await certmill('profile', 'check', 'good.yaml')).exitCode).toBe(0);
  const refused = await certmill('profile', 'check', 'bad.yaml');
  expect(refused.exitCode).not.toBe(0);
  expect(`${refused.stdout}${refused.stderr}`).toContain('RFC 9881 5: an ML-DSA key only signs');
});
