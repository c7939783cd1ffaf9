import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cleanEnv, type Ended, type RunOptions } from './run-certmill.js';

const program = join(import.meta.dirname, '../../../../apps/cli/dist/testing/many-commands.js');

/** Commands in one process, one after the other. */
export interface OpenCertmill extends AsyncDisposable {
  type(...words: readonly string[]): Promise<Ended>;
}

/**
 * A process that has loaded the commands once, for what commands say: `runCertmill` is the real one, with
 * its start and its end.
 */
export function openCertmill({ cwd, env }: Pick<RunOptions, 'cwd' | 'env'> = {}): OpenCertmill {
  const child = spawn(process.execPath, [program], {
    env: { ...cleanEnv, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async type(...words) {
      child.stdin.write(`${JSON.stringify(words)}\n`);
      const answer = await answers.next();
      if (answer.done === true) throw new Error(`the process has ended at ${words.join(' ')}`);
      return JSON.parse(answer.value) as Ended;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close');
      child.stdin.end();
      await closed;
    },
  };
}
