import { spawn } from 'node:child_process';
import { once } from 'node:events';

const module = new URL('./end-process.js', import.meta.url).href;
const thread = `
  import { execFileSync } from 'node:child_process';
  import { parentPort } from 'node:worker_threads';
  parentPort.postMessage('begun');
  execFileSync('sleep', ['120']);
`;
/** Its thread is told to end while it is in native code, for two minutes. */
const program = `
  import { Worker } from 'node:worker_threads';
  import { endProcess } from ${JSON.stringify(module)};
  const thread = new Worker(${JSON.stringify(thread)}, { eval: true });
  thread.once('message', () => setTimeout(async () => {
    void thread.terminate();
    process.stdout.write('x'.repeat(1_000_000));
    await endProcess(70);
  }, 200));
`;

describe('endProcess', () => {
  it('ends a process whose thread hangs, with its code and after all that it wrote', async () => {
    const begunMs = performance.now();
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    let written = 0;
    child.stdout.on('data', (data: Buffer) => (written += data.length));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect(performance.now() - begunMs).toBeLessThan(60_000);
    expect([code, signal, written]).toEqual([70, null, 1_000_000]);
  });
});
