import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CaFolder } from '../../testing/ca-folder.js';

describe('what a CA signs and where it goes', () => {
  let folder: CaFolder;
  beforeAll(async () => {
    folder = await CaFolder.make();
  });
  afterAll(() => folder[Symbol.dispose]());

  const ca = (...args: readonly string[]) => folder.ca(...args);
  const issued = (): readonly string[] => readdirSync(join(folder.path, 'ca', 'root', 'issued'));

  it('is a place that can be written, before a key is made or used', async () => {
    const nowhere = join(folder.path, 'none', 'x');
    const refused = {
      exitCode: 1,
      stderr: expect.stringMatching(/^error INVALID_INPUT: cannot write .*ENOENT/) as string,
    };
    expect(await ca('request', 'asked', '-o', nowhere)).toMatchObject(refused);
    expect(existsSync(join(folder.path, 'ca-requests', 'asked'))).toBe(false);
    const request = join(folder.path, 'asked.csr');
    expect(await ca('request', 'asked', '-o', request)).toMatchObject({ exitCode: 0 });
    const before = issued();
    expect(await ca('sign', request, '--under', 'root', '-o', nowhere)).toMatchObject(refused);
    expect(issued()).toEqual(before);
  });
});
