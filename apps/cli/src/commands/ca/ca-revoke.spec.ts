import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CaFolder } from '../../testing/ca-folder.js';

describe('ca revoke', () => {
  let folder: CaFolder;
  beforeAll(async () => {
    folder = await CaFolder.make();
  });
  afterAll(() => folder[Symbol.dispose]());

  const ca = (...args: readonly string[]) => folder.ca(...args);

  it('retires a former certificate alone, and what it says to type for the one in force revokes the CA', async () => {
    expect(await ca('renew', 'line')).toMatchObject({ exitCode: 0 });
    const former = join(folder.path, 'ca/line/former');
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
    expect(typed).toContain(join(folder.path, 'ca/line/certificate.pem'));
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
