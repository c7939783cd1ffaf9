import { diskKills, diskSteps } from './faulty-disks.js';
import { runCrashes } from './run-crashes.fixture.js';

describe('a server that dies in the middle of an I/O step', () => {
  test('keeps its promises, whichever step it is', async () => {
    // Each step once, now before and now after; the run without limits takes both.
    const each = diskKills.slice(0, diskSteps.length);
    const args = ['--kills', '0', '--disk-kills', String(each.length)];
    const { code, output } = await runCrashes(...args);
    for (const { step, mode } of each) expect(output).toContain(`${step} ${mode} 1`);
    expect(output).toContain('10 passed, 0 failed');
    expect(code).toBe(0);
  }, 300_000);
});
