import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy } from '@certmill/trust';
import { runCertmill } from '../../testing/run-certmill.js';

const passphrase = 'only for this test';

describe('ca revoke', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-revoke-'));
    writeFileSync(join(folder, 'passphrase'), passphrase, { mode: 0o600 });
    await createHierarchy({ name: 'line', directory: folder, passphrase, nowMs: Date.now() });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const ca = (...args: readonly string[]) =>
    runCertmill(['ca', ...args, '--data', folder], {
      CERTMILL_CA_PASSPHRASE_FILE: join(folder, 'passphrase'),
    });

  it('retires a former certificate alone, and what it says to type for the one in force revokes the CA', async () => {
    expect(await ca('renew', 'line')).toMatchObject({ exitCode: 0 });
    const former = join(folder, 'ca/line/former');
    const [file = ''] = readdirSync(former);
    const reason = ['--reason', 'superseded'];
    const retire = ['revoke', '--certificate', join(former, file), '--under', 'root', ...reason];
    const { exitCode, stdout } = await ca(...retire);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^revoked certificate [0-9a-f]+ alone, which is not in force, of CA .*\n.*to revoke CA 'line', whose it is:\n/,
      ),
    ]);
    expect(await ca('renew', 'line')).toMatchObject({ exitCode: 0 });
    const [, typed = ''] = /^ {2}certmill ca (revoke .+) --data/m.exec(stdout) ?? [];
    expect(typed).toContain(join(folder, 'ca/line/certificate.pem'));
    const all = await ca(...typed.split(' '), ...reason);
    expect([all.exitCode, all.stdout]).toEqual([
      0,
      expect.stringMatching(/^revoked CA .*\nwith all over its key that have not ended: .*, .*, /),
    ]);
    expect(await ca('renew', 'line')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('CONFLICT') as string,
    });
  });
});
