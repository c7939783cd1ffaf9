import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MarksInFolder } from './status-seals.js';

describe('what sign has seen of a scope', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-marks-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('outlives its process, and is never less than it was', async () => {
    const marks = new MarksInFolder(folder);
    expect(await marks.get('factory/0')).toBeUndefined();
    await marks.put('factory/0', { number: 7, seal: 'a.00' });
    await marks.put('factory/0', { number: 6, seal: 'a.01' });
    await marks.put('factory/1', { number: 1, seal: 'a.02' });
    const restarted = new MarksInFolder(folder);
    expect(await restarted.get('factory/0')).toEqual({ number: 7, seal: 'a.00' });
    expect(await restarted.get('factory/1')).toEqual({ number: 1, seal: 'a.02' });
  });

  it('is not made up where its file is damaged', async () => {
    await new MarksInFolder(folder).put('factory/0', { number: 7, seal: 'a.00' });
    const file = join(folder, 'factory.0.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ number: 7, seal: 'a.00' });
    writeFileSync(file, '{"number":7');
    const invalid = { code: 'CONFIG_INVALID' };
    await expect(new MarksInFolder(folder).get('factory/0')).rejects.toMatchObject(invalid);
    rmSync(folder, { recursive: true });
    const gone = new MarksInFolder(folder).put('factory/0', { number: 8, seal: 'a.00' });
    await expect(gone).rejects.toMatchObject(invalid);
    folder = mkdtempSync(join(tmpdir(), 'certmill-marks-'));
  });
});
