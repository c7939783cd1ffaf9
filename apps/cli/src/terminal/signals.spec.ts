import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

const signals = new URL('./signals.js', import.meta.url).href;

/** A command that is done after `work`, and given 100 ms to end. */
function command(work: string) {
  const code = `import { endAtLast } from '${signals}'; ${work}; endAtLast(100);`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'pipe' });
}

describe('a command that is done', () => {
  it('ends although something is left open, with its own exit status, and says what', async () => {
    const child = command('setInterval(() => undefined, 1e6); process.exitCode = 3');
    const said = child.stderr.setEncoding('utf8').toArray();
    const [exitCode] = (await once(child, 'exit')) as [number];
    expect(exitCode).toBe(3);
    expect((await said).join('')).toMatch(/^warning: ended with resources left open: .*Timeout/);
  });

  it('ends at once and silently where nothing is', async () => {
    const child = command('process.exitCode = 0');
    const said = child.stderr.setEncoding('utf8').toArray();
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await said).toEqual([]);
  });

  it('waits for who reads its output slowly', async () => {
    const octets = 1_000_000;
    const child = command(`process.stdout.write('x'.repeat(${String(octets)}))`);
    await pause(1_000);
    expect(child.exitCode).toBeNull();
    const read = (await child.stdout.setEncoding('utf8').toArray()).join('');
    expect(read).toHaveLength(octets);
  });
});
