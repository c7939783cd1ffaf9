import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCeremony } from './ceremony/ceremony-inputs.js';
import { readBytes } from './read-input.js';

describe('files that are read whole', () => {
  it('are read up to their bound, whatever the file is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-input-'));
    const file = join(folder, 'file');
    writeFileSync(file, 'x'.repeat(100));
    expect(await readBytes(file, 100)).toHaveLength(100);
    await expect(readBytes(file, 99)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(readBytes(folder)).rejects.toThrow(`cannot read ${folder}`);
    rmSync(folder, { recursive: true });
  });

  it('end where a device does not: a ceremony of zeros is refused', async () => {
    await expect(readCeremony('/dev/zero')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: '/dev/zero has more than 4 MiB',
    });
  });
});
