import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaFolder } from '../../testing/ca-folder.js';
import { runCertmill, type Ended } from '../../testing/run-certmill.js';

describe('ca revoked', () => {
  let folder: CaFolder;
  beforeAll(async () => {
    folder = await CaFolder.make();
  });
  afterAll(() => folder[Symbol.dispose]());

  const at = (name: string): string => join(folder.path, name);
  const typed = async (...args: readonly string[]): Promise<Ended> =>
    runCertmill(['ca', ...args], { CERTMILL_CA_PASSPHRASE_FILE: at('passphrase') });
  const done = async (...args: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await typed(...args);
    expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
    return stdout;
  };

  it('tells a second root with a new key what the first had lost, which has no record of its own between', async () => {
    const [first, second, third] = [folder.path, at('second'), at('third')];
    await done('request', 'line', '--renewal', '--out', at('line.csr'), '--data', first);
    await done('revoke', 'line', '--reason', 'keyCompromise', '--data', first);
    await done('rekey', 'root', '--data', first, '--into', second);
    expect(existsSync(join(second, 'ca/root/revoked-cas.json'))).toBe(false);
    const out = at('before.json');
    const shown = await done('revoked', '--data', second, '--out', out);
    expect(shown).toMatch(/^CN=line\S* .*keyCompromise .*\n1 keys: .*before\.json\n$/m);
    const json = JSON.parse(await done('revoked', 'root', '--data', second, '--json')) as object;
    expect(json).toMatchObject({
      name: 'root',
      keys: [
        { reason: 'keyCompromise', keySha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      ],
    });
    await done('root', '--subject', 'CN=third', '--data', third, '--revoked-before', out);
    const signed = ['--under', 'root', '--data', third, '--out', at('chain.pem')];
    const { exitCode, stderr } = await typed('sign', at('line.csr'), ...signed);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/CONFLICT.*with this key/)]);
    expect(JSON.parse(await done('revoked', '--data', third, '--json'))).toEqual(json);
  });

  it('says that there is none, and makes a file of that as well', async () => {
    const fresh = at('fresh');
    await done('root', '--subject', 'CN=fresh', '--data', fresh);
    const out = at('none.json');
    expect(await done('revoked', '--data', fresh, '--out', out)).toBe(
      `'root' knows of no revoked key\n0 keys: ${out}\n`,
    );
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({ formatVersion: 1, revoked: [] });
    const refused = await typed('revoked', 'nobody', '--data', fresh);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('NOT_FOUND')]);
  });
});
