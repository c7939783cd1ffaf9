import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { keyCount, keys, openAsRecorded } from './crash-caller.fixture.js';
import { startRunWriter } from './run-writer.js';

const writer = startRunWriter();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-crash-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
afterAll(() => writer.stop());

/** A program in a process of its own that calls the fixture. */
function script(call: string): string[] {
  const fixture = JSON.stringify(new URL('./crash-caller.fixture.js', import.meta.url));
  const directory = JSON.stringify(folder);
  return ['--eval', `import(${fixture}).then(async (caller) => { ${call}(${directory})); });`];
}

/** Opens what was recorded, checks every entry up to the positions, and counts loose run files. */
async function expectNothingLost(): Promise<{ readonly position: number; readonly loose: number }> {
  let loose = 0;
  for (const kind of ['map', 'multiMap']) {
    loose += readdirSync(folder).includes(kind) ? readdirSync(join(folder, kind)).length : 0;
  }
  const { map, multiMap, recorded } = openAsRecorded(folder, writer);
  loose -= recorded.map.runs.length + recorded.multiMap.runs.length;
  const value = { high: 0, low: 0 };
  for (let key = 0; key < keyCount; key += 1) {
    const newestBefore = (position: number): number =>
      key + Math.floor((position - 1 - key) / keyCount) * keyCount + 1;
    const inMap = Math.max(0, newestBefore(recorded.map.position));
    const found = map.get(keys, key * 16, value);
    if (found !== inMap > 0 || value.low !== inMap) expect({ key, ...value }).toEqual({ inMap });
    const newest = newestBefore(recorded.multiMap.position);
    const kept: number[] = [];
    for (let low = newest; low > 0 && kept.length < 5; low -= keyCount) kept.push(low);
    const lows = multiMap.lookUp(keys, key * 16, 5).map(({ low }) => low);
    if (lows.join() !== kept.join()) expect({ key, lows }).toEqual({ key, lows: kept });
  }
  expect(map.stats().entriesInRuns).toBeLessThanOrEqual(recorded.map.position);
  expect(multiMap.stats().entriesInRuns).toBe(recorded.multiMap.position);
  for (const [kind, runs] of Object.entries({ map, multiMap })) {
    expect(readdirSync(join(folder, kind)).sort()).toEqual([...runs.runs].sort());
  }
  await map.close();
  await multiMap.close();
  return { position: recorded.map.position + recorded.multiMap.position, loose };
}

describe('packed runs of a process that is killed', () => {
  it('are as recorded, at whatever moment of a flush or merge it was', async () => {
    let position = 0;
    let killedInTheMiddle = 0;
    const isEnough = (): boolean => killedInTheMiddle > 2 && position > 4 * keyCount;
    // On a busy machine a child gets less done before it is killed: then the later ones get more time.
    for (let round = 0; round < 8 || (!isEnough() && round < 60); round += 1) {
      const child = spawn(process.execPath, script('void (await caller.putForEver'), {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      // The exact moment does not matter, that it varies does.
      await setTimeout(Math.random() * 300 * Math.max(1, round / 8));
      child.kill('SIGKILL');
      expect(await ended).toEqual([null, 'SIGKILL']);
      const after = await expectNothingLost();
      expect(after.position).toBeGreaterThanOrEqual(position);
      ({ position } = after);
      killedInTheMiddle += after.loose > 0 ? 1 : 0;
    }
    expect(position).toBeGreaterThan(4 * keyCount);
    expect(killedInTheMiddle).toBeGreaterThan(2);
  });
});

describe('packed runs on a full disk', () => {
  it('stay readable from memory, say FAULT_DISK_FULL and leave no file', async () => {
    // A limit on file size (in blocks of 512 octets) fails writes in the same place.
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -f 40; exec "$@"',
      'sh',
      process.execPath,
      ...script('console.log(await caller.putUntilFault'),
    ]);
    expect(JSON.parse(stdout)).toEqual({ code: 'FAULT_DISK_FULL', readable: true });
    expect(readdirSync(join(folder, 'map'))).toEqual([]);
  });
});
