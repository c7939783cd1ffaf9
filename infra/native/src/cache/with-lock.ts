import { CertmillError } from '@certmill/domain';
import { spawnGuarded } from '../process/spawn-guarded.js';

/**
 * Runs `action` while no other process or caller holds the lock file. The system lets go of the lock
 * when its holder ends, however that ends.
 */
export async function withLock<T>(file: string, action: () => Promise<T>): Promise<T> {
  const holder = spawnGuarded('flock', [file, 'sh', '-c', 'echo locked; exec cat > /dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<false>((resolve) => {
    const end = (): void => resolve(false);
    holder.once('close', end).once('error', end);
  });
  const locked = new Promise<true>((resolve) => {
    holder.stdout?.once('data', () => resolve(true));
  });
  if (!(await Promise.race([locked, ended]))) {
    throw new CertmillError('CONFIG_INVALID', 'flock and setpriv are needed: install util-linux');
  }
  try {
    return await action();
  } finally {
    holder.stdin?.end();
    await ended;
  }
}
