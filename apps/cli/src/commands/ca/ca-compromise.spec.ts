import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaFolder } from '../../testing/ca-folder.js';

/** As `openssl ca` has it where nobody asked for numbers. */
const withoutNumbers = `
[ca]
default_ca = root
[root]
database = index.txt
certificate = root.pem
private_key = root.key
default_md = sha256
default_crl_days = 30
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
`;

describe('ca compromise', () => {
  let folder: CaFolder;
  beforeAll(async () => {
    folder = await CaFolder.make();
  });
  afterAll(() => folder[Symbol.dispose]());

  it('begins nothing with a CRL of the root that it could not take in at the end', async () => {
    const at = (name: string): string => join(folder.path, name);
    const openssl = (...args: readonly string[]) =>
      execFileSync('openssl', args, { cwd: folder.path, stdio: 'ignore' });
    writeFileSync(at('root.cnf'), withoutNumbers);
    writeFileSync(at('index.txt'), '');
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', '/CN=Root', '-keyout', 'root.key', '-out', 'root.pem'],
    );
    openssl('ca', '-config', 'root.cnf', '-gencrl', '-out', 'root.crl');
    // Nobody is there: it is not asked.
    const server = ['--server', 'http://127.0.0.1:1', '--patience', '0'];
    const leave = ['compromise', 'line', '--no-reissue', '--yes', ...server];
    for (const [file, reason] of [
      ['root.crl', 'has no crlNumber (RFC 5280 5.2.3): have it made with one'],
      ['root.pem', 'holds no CRL'],
      ['none.crl', 'cannot read'],
    ] as const) {
      const { exitCode, stderr } = await folder.ca(...leave, '--parent-crl', at(file));
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining(reason)]);
      expect(stderr).toContain(at(file));
    }
    expect(existsSync(at('compromises'))).toBe(false);
  });
});
