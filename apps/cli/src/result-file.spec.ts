import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ResultFile, writeResult } from './result-file.js';

describe('the file that a command writes', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'certmill-result-'))));
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('is refused before there is anything to write, where none can be', async () => {
    for (const file of [join(folder, 'none', 'x'), folder]) {
      await expect(ResultFile.open(file)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/^cannot write .* \(E\w+\)$/) as string,
      });
    }
  });

  it('is not there, or as it was, where nothing came of it', async () => {
    const [fresh, kept] = [join(folder, 'fresh'), join(folder, 'kept')];
    writeFileSync(kept, 'what was there before');
    for (const file of [fresh, kept]) {
      await using result = await ResultFile.open(file);
      expect(result).toBeInstanceOf(ResultFile);
    }
    expect([existsSync(fresh), readFileSync(kept, 'utf8')]).toEqual([
      false,
      'what was there before',
    ]);
    await writeResult(kept, 'short');
    expect(readFileSync(kept, 'utf8')).toBe('short');
  });

  it('is FAULT_DISK_FULL where there is no room', async () => {
    await expect(writeResult('/dev/full', 'x')).rejects.toMatchObject({ code: 'FAULT_DISK_FULL' });
  });
});
