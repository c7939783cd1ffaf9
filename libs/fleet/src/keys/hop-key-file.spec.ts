import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SealedAttributes } from '@certmill/events';
import { createHops, statusSealsOf } from '@certmill/pipeline';
import { readHopKeys } from './hop-key-file.js';
import { makeFleetKeys, rotateFleetKeys } from './make-fleet-keys.js';

const clock = { nowMs: () => Date.UTC(2026, 0, 2) };
const chunk: SealedAttributes = {
  tenant: 'acme',
  orderId: 'order',
  batchId: '00112233445566778899aabbcc',
  chunkNumber: 0,
  lane: 'bulk',
  profileHash: '00'.repeat(32),
  issuer: 'factory',
  signBeforeMs: 1,
};

interface HopKeyFile {
  readonly keys: readonly { readonly id: string }[];
  readonly sealing: string;
}

describe('keys of a fleet', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'certmill-keys-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** Whether a service with the file as it was opens what one with the file as it is seals. */
  function opens(opener: string, sealer: string): boolean {
    const [topic, record] = createHops({ received: readHopKeys(sealer) }, clock).received.seal(
      chunk,
      Buffer.from('value'),
    );
    const hop = createHops({ received: readHopKeys(opener) }, clock).received;
    try {
      hop.open({ ...record, topic, position: '0:0' });
      return true;
    } catch {
      return false;
    }
  }

  /** The file as it is now, kept. */
  function keep(file: string, name: string): string {
    const copy = join(directory, name);
    writeFileSync(copy, readFileSync(file));
    return copy;
  }

  it('are files of their own that nobody else can read, and are never written over', () => {
    const { hopKeys, manifestKey } = makeFleetKeys(directory, 0);
    const files = [...Object.values(hopKeys), manifestKey];
    expect(files.map((file) => statSync(file).mode & 0o777)).toEqual(files.map(() => 0o600));
    const contents = files.map((file) => readFileSync(file, 'utf8'));
    expect(new Set(contents).size).toBe(5);
    expect(() => makeFleetKeys(directory, 0)).toThrow(/cannot be made: it is there already/);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(contents);
  });

  it('are added up to as many as a file may have, and no file is written that nothing opens', () => {
    const { status } = makeFleetKeys(directory, 0).hopKeys;
    const keys = Array.from({ length: 1_023 }, (_, i) => ({
      id: `k${String(i)}`,
      secretHex: 'ab'.repeat(32),
    }));
    writeFileSync(status, JSON.stringify({ formatVersion: 1, sealing: 'k1022', keys }));
    rotateFleetKeys(directory, 'add', clock.nowMs());
    expect(readHopKeys(status).opening.size).toBe(1_024);
    rotateFleetKeys(directory, 'seal', clock.nowMs());
    rotateFleetKeys(directory, 'drop', clock.nowMs());
    const before = readFileSync(status, 'utf8');
    expect(() => rotateFleetKeys(directory, 'add', clock.nowMs())).toThrow(/the most there may be/);
    expect(readFileSync(status, 'utf8')).toBe(before);
    expect(readHopKeys(status).opening.size).toBe(1_024);
  });

  it('are rotated in three steps, and services a step apart understand each other', () => {
    const { received } = makeFleetKeys(directory, 0).hopKeys;
    const stages = [keep(received, 'made')];
    for (const step of ['add', 'seal', 'drop'] as const) {
      rotateFleetKeys(directory, step, clock.nowMs());
      stages.push(keep(received, step));
    }
    for (const [i, stage] of stages.entries()) {
      const next = stages[i + 1] ?? stage;
      expect([opens(stage, next), opens(next, stage)]).toEqual([true, true]);
    }
    const [made = '', , , dropped = ''] = stages;
    expect(opens(dropped, made)).toBe(false);
  });

  it.each(['add', 'seal', 'drop'] as const)('go on where %s was cut off', (cut) => {
    const { hopKeys } = makeFleetKeys(directory, 0);
    const files = Object.values(hopKeys);
    for (const step of ['add', 'seal', 'drop'] as const) {
      const before = files.map((file) => readFileSync(file));
      rotateFleetKeys(directory, step, clock.nowMs());
      if (step !== cut) continue;
      // Killed after the first file.
      const [first] = files.map((file) => readFileSync(file, 'utf8'));
      files.slice(1).forEach((file, i) => writeFileSync(file, before[i + 1] ?? ''));
      writeFileSync(`${files[1] ?? ''}.tmp`, 'half of a f');
      rotateFleetKeys(directory, step, clock.nowMs());
      expect(readFileSync(files[0] ?? '', 'utf8')).toBe(first);
    }
    const contents = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as HopKeyFile);
    for (const [i, { keys, sealing }] of contents.entries()) {
      expect(sealing).toBe('2026-01-02');
      // What the key of the log of status changes has sealed stays in the store.
      const isKept = files[i] === hopKeys.status;
      expect(keys.map(({ id }) => id)).toEqual(isKept ? ['1970-01-01', sealing] : [sealing]);
    }
  });

  it('are rotated again where one file has kept its keys', () => {
    const { status } = makeFleetKeys(directory, 0).hopKeys;
    const seals: string[] = [];
    for (let day = 1; day < 4; day += 1) {
      seals.push(statusSealsOf(readHopKeys(status)).seal(['entry'], seals.at(-1) ?? ''));
      for (const step of ['add', 'seal', 'drop'] as const) {
        rotateFleetKeys(directory, step, day * 86_400_000);
      }
    }
    const after = statusSealsOf(readHopKeys(status));
    seals.forEach((seal, i) =>
      expect(after.isSound(seal, ['entry'], seals[i - 1] ?? '')).toBe(true),
    );
    expect(new Set(seals.map((seal) => seal.split('.')[0])).size).toBe(3);
  });

  it('take no step out of turn', () => {
    makeFleetKeys(directory, 0);
    const conflict = expect.objectContaining({ code: 'CONFLICT' }) as Error;
    expect(() => rotateFleetKeys(directory, 'seal', 0)).toThrow(conflict);
    expect(() => rotateFleetKeys(directory, 'drop', 0)).toThrow(conflict);
    rotateFleetKeys(directory, 'add', 0);
    expect(() => rotateFleetKeys(directory, 'add', 0)).toThrow(conflict);
    expect(() => rotateFleetKeys(directory, 'drop', 0)).toThrow(conflict);
  });

  it.each([
    ['no JSON', 'secret{'],
    ['another format', '{"formatVersion":2,"sealing":"a","keys":[]}'],
    ['a short key', '{"formatVersion":1,"sealing":"a","keys":[{"id":"a","secretHex":"5ec2e7"}]}'],
    [
      'no key that seals',
      `{"formatVersion":1,"sealing":"b","keys":[{"id":"a","secretHex":"${'5e'.repeat(32)}"}]}`,
    ],
  ])('refuses a file with %s, and quotes nothing of it', (_, text) => {
    const file = join(directory, 'broken.json');
    writeFileSync(file, text);
    // What the folder of the test is called is drawn by lot.
    expect(() => readHopKeys(file)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.not.stringMatching(/5ec2e7|5e5e5e5e|secret\{/) as string,
      }) as Error,
    );
  });
});
