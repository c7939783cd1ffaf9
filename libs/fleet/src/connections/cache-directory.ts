import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FleetConfig } from '../config/fleet-config.js';

/** One length for all: the name of no host begins that of another. */
export function cachePrefixOf(host: string): string {
  const name = createHash('sha256').update(host).digest('hex').slice(0, 16);
  return `certmill-cache-${name}-`;
}

/** When a process began, in the system's ticks: with its pid that names it. Undefined where it ended. */
function startOf(pid: number | 'self'): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    // proc(5): the name, in brackets, may hold anything; the 22nd field is the 20th behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * A folder of this process alone, for what can be read from the store again. Those that processes of
 * this host left when they were killed are removed: each may hold gigabytes. Containers that share the
 * folder MUST have host names of their own: nobody sees the processes of another one.
 */
export async function withCacheDirectory(
  config: Pick<FleetConfig, 'cacheDirectory'>,
  name: string,
): Promise<{ readonly directory: string; remove(): Promise<void> }> {
  const parent = config.cacheDirectory ?? tmpdir();
  const start = startOf('self');
  // Without /proc no process can be told from a dead one.
  if (start !== undefined) await sweep(parent);
  const own = `${cachePrefixOf(hostname())}${String(process.pid)}-${start ?? ''}-${name}-`;
  const directory = await mkdtemp(join(parent, own));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function sweep(parent: string): Promise<void> {
  const prefix = cachePrefixOf(hostname());
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const [pid = '', start] = name.slice(prefix.length).split('-');
    if (startOf(Number(pid)) === start) continue;
    // Another process may sweep at the same time.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}
