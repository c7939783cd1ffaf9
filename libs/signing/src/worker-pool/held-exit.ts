import { isMainThread } from 'node:worker_threads';
import { replaceProcess } from './end-process.js';

const holders = new Set<object>();
let isHeard = false;

/**
 * Until `releaseExit(holder)` a thread of this process may be in native code. However the process comes
 * to end then, it does not wait for that thread: its program is replaced, with the exit code it had.
 * Listeners of `exit` that were added later are not called.
 */
export function holdExit(holder: object): void {
  holders.add(holder);
  if (isHeard || !isMainThread) return;
  isHeard = true;
  process.on('exit', (code) => {
    if (holders.size > 0) replaceProcess(code);
  });
}

export function releaseExit(holder: object): void {
  holders.delete(holder);
}
