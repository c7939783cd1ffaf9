import { unpackDebian } from '../install/debian.js';
import { findCommand } from '../process/find-command.js';

const program = 'redis-server';

/** The path of redis-server: of the system, else the distribution's in the cache. */
export async function findRedis(): Promise<string> {
  const found = findCommand(program);
  if (found !== undefined) return found;
  const unpacked = await unpackDebian({
    name: program,
    together: ['redis-tools'],
    programs: [program],
    purpose: 'Redis',
    install: 'Redis 6.2 or newer, redis-server on the PATH (Debian: redis-server)',
  });
  return unpacked.programFile(program);
}
