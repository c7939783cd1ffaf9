import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./run-crashes.js', import.meta.url));

/** A short run in processes of its own: the one that CI and people start, only smaller. */
export function runCrashes(
  ...args: string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const all = [program, '--requests', '1500', '--seed', '7', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, all, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}
