import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

describe('the memory of packed runs', () => {
  it('grows by some 2 MB per million entries, with 4 as the limit, through merges', async () => {
    // Single steps of some MB come and go with the collector: 5 million make them small.
    const folder = mkdtempSync(join(tmpdir(), 'certmill-memory-'));
    const fixture = JSON.stringify(new URL('./memory-use.fixture.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--eval',
      `import(${fixture}).then(async (use) => {
        console.log(await use.growthPerMillion(${JSON.stringify(folder)}, 6.2, 1_200_000));
      });`,
    ]);
    rmSync(folder, { recursive: true });
    const { merges, perMillion } = JSON.parse(stdout) as { merges: number; perMillion: number };
    expect(merges).toBe(11);
    expect(perMillion).toBeLessThan(4e6);
  });
});
