import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyEffects, StepStage } from './ceremony-folder.js';

let folder: string;
let data: string;
let step: string;
let stage: StepStage;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-step-'));
  [data, step] = [join(folder, 'data'), join(folder, '01-destroy-key')];
  mkdirSync(join(data, 'ca/root'), { recursive: true });
  mkdirSync(step);
  writeFileSync(key(), 'the key');
  stage = await StepStage.open(step, data);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const path = 'ca/root/key.pem';
const key = (): string => join(data, path);
const tombstone = (): string => join(step, 'destroyed', path);
const apply = (): Promise<readonly string[]> => applyEffects(data, step, stage.effects);

describe('the destruction of a file by a step that is committed', () => {
  beforeEach(async () => {
    await stage.destroy(path);
  });

  it('overwrites the file that was approved, under whatever name its octets are held', async () => {
    const held = join(folder, 'held');
    // A second name of the same octets, as the medium has them.
    linkSync(key(), held);
    await expect(apply()).resolves.toEqual([
      expect.stringMatching(/^ca\/root\/key\.pem, 7 octets .* was overwritten and removed$/),
    ]);
    expect([existsSync(key()), readFileSync(held, 'utf8')]).toEqual([false, '']);
  });

  it('leaves a file alone that was put there since, and says so', async () => {
    writeFileSync(key(), 'a new key');
    await expect(apply()).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('was changed by another command') as unknown,
    });
    expect(readFileSync(key(), 'utf8')).toBe('a new key');
  });

  it('does not say that it destroyed what was not there', async () => {
    rmSync(key());
    await expect(apply()).resolves.toEqual([expect.stringMatching(/ was not there any more: /)]);
  });

  it.each(['the key', 'the!!!!', ''])(
    'goes on after a kill with what it had taken away (%p of it left)',
    async (left) => {
      mkdirSync(join(step, 'destroyed/ca/root'), { recursive: true });
      renameSync(key(), tombstone());
      writeFileSync(tombstone(), left);
      await expect(apply()).resolves.toEqual([
        expect.stringMatching(/ was overwritten and removed$/),
      ]);
      expect(statSync(tombstone()).size).toBe(0);
    },
  );

  it('after a kill destroys what it had taken away, and not what lies there now', async () => {
    mkdirSync(join(step, 'destroyed/ca/root'), { recursive: true });
    renameSync(key(), tombstone());
    writeFileSync(key(), 'a new key');
    await expect(apply()).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(statSync(tombstone()).size).toBe(0);
    expect(readFileSync(key(), 'utf8')).toBe('a new key');
  });

  it('says the same when it is done again', async () => {
    const first = await apply();
    await expect(apply()).resolves.toEqual(first);
  });
});

describe('the destruction of a link', () => {
  it('is refused: what it leads to would stay, or be another file', async () => {
    renameSync(key(), join(folder, 'elsewhere.pem'));
    symlinkSync(join(folder, 'elsewhere.pem'), key());
    await expect(stage.destroy(path)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('is a link') as unknown,
    });
  });
});
