import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { jest } from '@jest/globals';
import type { CeremonyStep } from './ceremony-file.js';
import { parseTranscript, verifyTranscript, witnessTranscript } from './transcript.js';
import { aCeremony, aliceAndFriends } from './testing/a-ceremony.js';
import { aCeremonyOf, aRun, ceremonyMs } from './testing/play.js';
import type { Plan } from './testing/run-and-die.js';

// Each run is a process that starts: on busy cores some take ten times as long.
jest.setTimeout(240_000);

const program = join(import.meta.dirname, 'testing/run-and-die.js');
const [makeRoot] = aCeremony().steps;
if (makeRoot === undefined) throw new Error('no step');
const steps: CeremonyStep[] = [
  makeRoot,
  { do: 'adopt-quorum' },
  { do: 'backup-keys', cas: ['root'] },
  { do: 'recover-key', ca: 'root' },
  { do: 'split-key', ca: 'root' },
  { do: 'destroy-key', ca: 'root', reason: 'a test' },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-killed-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the CA folder may look like between two steps: one form of the key, or none. */
const wholeForms = ['', 'key.sealed.json', 'key.pem', 'key.pem key.sealed.json'];

function rootFolder(data: string): string {
  const directory = join(data, 'ca/root');
  if (!existsSync(directory)) return 'absent';
  const names = readdirSync(directory).sort();
  expect(names).toEqual(expect.arrayContaining(['certificate.pem', 'chain.pem']));
  return names.filter((name) => name.startsWith('key')).join(' ');
}

describe('a ceremony that is killed', () => {
  const aPlan = (of: CeremonyStep[]): Omit<Plan, 'dieAt'> => {
    const ceremony = aCeremonyOf(...of);
    const data = mkdtempSync(join(folder, 'data-'));
    const { privateKey } = generateKeyPairSync('x25519');
    return {
      ...{ data, ceremony, approvals: aRun(data, ceremony).approvals },
      custodianKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    };
  };
  const run = (plan: Omit<Plan, 'dieAt'>, dieAt: string): ReturnType<typeof spawnSync> => {
    const file = join(folder, 'plan.json');
    writeFileSync(file, JSON.stringify({ ...plan, dieAt }));
    return spawnSync(process.execPath, [program, file], { encoding: 'utf8' });
  };

  it('at every point of every step goes on to one sound end', async () => {
    const plan = aPlan(steps);
    const points = steps.flatMap((_, index) =>
      ['staged', 'committed', 'done'].map((what) => `${what} ${String(index + 1)}`),
    );
    for (const point of ['begun', ...points]) {
      const { signal, stderr } = run(plan, point);
      expect([point, signal, stderr]).toEqual([point, 'SIGKILL', '']);
      expect(['absent', ...wholeForms]).toContain(rootFolder(plan.data));
    }
    const { status, stderr } = run(plan, '');
    expect([status, stderr]).toEqual([0, '']);
    const [name = ''] = readdirSync(join(plan.data, 'ceremonies'));
    const ceremonyFolder = join(plan.data, 'ceremonies', name);
    expect(readdirSync(ceremonyFolder).filter((one) => one.endsWith('.unfinished'))).toEqual([]);
    expect(rootFolder(plan.data)).toBe('');
    const file = join(ceremonyFolder, 'transcript.json');
    const transcript = parseTranscript(readFileSync(file, 'utf8'), file);
    const signature = witnessTranscript(transcript, aliceAndFriends.wendy.privateKey, ceremonyMs);
    await expect(verifyTranscript(file, [signature])).resolves.toMatchObject({
      witnesses: ['wendy'],
    });
  });

  it('while it overwrote a key goes on to overwrite and remove it', () => {
    const plan = aPlan([makeRoot, { do: 'destroy-key', ca: 'root', reason: 'a test' }]);
    expect(run(plan, 'committed 2').signal).toBe('SIGKILL');
    const path = 'ca/root/key.sealed.json';
    const [name = ''] = readdirSync(join(plan.data, 'ceremonies'));
    const taken = join(plan.data, 'ceremonies', name, '02-destroy-key/destroyed', path);
    mkdirSync(dirname(taken), { recursive: true });
    renameSync(join(plan.data, path), taken);
    writeFileSync(taken, readFileSync(taken).fill(0x5a, 0, 100));
    const { status, stderr } = run(plan, '');
    expect([status, stderr]).toEqual([0, '']);
    expect(rootFolder(plan.data)).toBe('');
    expect(readFileSync(taken)).toHaveLength(0);
  });

  it('for want of room leaves nothing of the step, and goes on when there is some', () => {
    // A certificate of 10 KiB, where files may have 8.
    const plan = aPlan([{ ...makeRoot, key: 'ml-dsa-87' } as CeremonyStep]);
    const file = join(folder, 'plan.json');
    writeFileSync(file, JSON.stringify({ ...plan, dieAt: '' }));
    const limited = ['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, program, file];
    const { status, stderr } = spawnSync('bash', limited, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringContaining('FAULT_DISK_FULL')]);
    expect(rootFolder(plan.data)).toBe('absent');
    const [name = ''] = readdirSync(join(plan.data, 'ceremonies'));
    expect(readdirSync(join(plan.data, 'ceremonies', name))).toEqual(['00-begin']);
    expect(run(plan, '').status).toBe(0);
    expect(rootFolder(plan.data)).toBe('key.sealed.json');
  });

  it('keeps its approvals: they are used up, and by nobody else', () => {
    const plan = aPlan([makeRoot]);
    expect(run(plan, 'begun').signal).toBe('SIGKILL');
    rmSync(join(plan.data, 'ceremonies'), { recursive: true });
    const { status, stderr } = run(plan, '');
    expect(status).toBe(1);
    expect(stderr).toContain('its approvals are used up');
  });
});
