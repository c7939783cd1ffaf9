import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy } from '@certmill/trust';
import { runCertmill } from '../../testing/run-certmill.js';

const passphrase = 'only for this test';

describe('what a CA signs and where it goes', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-output-'));
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
  const issued = (): readonly string[] => readdirSync(join(folder, 'ca', 'root', 'issued'));

  it('is a place that can be written, before a key is made or used', async () => {
    const nowhere = join(folder, 'none', 'x');
    const refused = {
      exitCode: 1,
      stderr: expect.stringMatching(/^error INVALID_INPUT: cannot write .*ENOENT/) as string,
    };
    expect(await ca('request', 'asked', '-o', nowhere)).toMatchObject(refused);
    expect(existsSync(join(folder, 'ca-requests', 'asked'))).toBe(false);
    const request = join(folder, 'asked.csr');
    expect(await ca('request', 'asked', '-o', request)).toMatchObject({ exitCode: 0 });
    const before = issued();
    expect(await ca('sign', request, '--under', 'root', '-o', nowhere)).toMatchObject(refused);
    expect(issued()).toEqual(before);
  });
});
