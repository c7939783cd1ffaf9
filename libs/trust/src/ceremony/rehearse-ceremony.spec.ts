import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import type { CeremonyFile } from './ceremony-file.js';
import { rehearseCeremony } from './rehearse-ceremony.js';
import type { CeremonyResult } from './run-ceremony.js';
import { aCeremony } from './testing/a-ceremony.js';
import { aCeremonyOf, aRun, ceremonyMs, play } from './testing/play.js';

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-rehearsal-'));
  data = join(folder, 'data');
  mkdirSync(data);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const rehearse = async (...steps: CeremonyFile['steps']): Promise<CeremonyResult> => {
  const workDirectory = mkdtempSync(join(folder, 'work-'));
  return rehearseCeremony({ ...aRun(data, aCeremonyOf(...steps)), workDirectory });
};
const contentOf = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file, readFileSync(file, 'base64')]),
  );
const [makeRoot] = aCeremony().steps;
if (makeRoot === undefined) throw new Error('no step');

describe('a rehearsal', () => {
  it('plays a whole life of keys in an empty folder, and changes nothing', async () => {
    const result = await rehearse(
      makeRoot,
      { do: 'adopt-quorum' },
      { do: 'backup-keys', cas: ['root'] },
      { do: 'recover-key', ca: 'root' },
      { do: 'split-key', ca: 'root' },
      { do: 'destroy-key', ca: 'root', reason: 'a rehearsal' },
    );
    expect(readdirSync(data)).toEqual([]);
    expect(result.entries[0]).toMatchObject({ kind: 'begin', isRehearsal: true });
    expect(result.entries.filter(({ kind }) => kind === 'step')).toHaveLength(6);
  });

  it('uses stand-ins of the CAs that are there, whose passphrases nobody gives', async () => {
    const options = { directory: data, passphrase: 'never told', nowMs: ceremonyMs - 1 };
    await createHierarchy({ name: 'factory', ...options });
    const before = contentOf(data);
    await rehearse(
      { do: 'split-key', ca: 'root' },
      { do: 'destroy-key', ca: 'factory', reason: 'x' },
    );
    expect(contentOf(data)).toEqual(before);
  });

  it('opens a stand-in of a backup that it has no shares of', async () => {
    const { folder: made } = await play(data, [makeRoot, { do: 'backup-keys', cas: ['root'] }]);
    rmSync(join(data, 'ca'), { recursive: true });
    cpSync(join(made, '02-backup-keys/outputs/backup.sealed.json'), join(data, 'b.json'));
    const sha256 = createHash('sha256')
      .update(readFileSync(join(data, 'b.json')))
      .digest('hex');
    const before = contentOf(data);
    await rehearse({ do: 'restore-keys', bundle: { file: 'b.json', sha256 } });
    expect(contentOf(data)).toEqual(before);
  });

  it('fails where the ceremony would', async () => {
    await expect(rehearse({ do: 'split-key', ca: 'nobody' })).rejects.toThrow("no CA 'nobody'");
    await expect(
      rehearse({ ...makeRoot, do: 'make-root', subject: 'XX=1' } as typeof makeRoot),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
