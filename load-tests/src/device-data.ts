import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDevices } from 'certmill-cli/load';
import type { DeviceData } from './settings.js';

/**
 * Devices with keys of their own, made once and kept: every run issues to them under new tenants, so
 * they never run out.
 */
export async function deviceData(
  cache: string,
  count: number,
  onProgress: (made: number) => void,
): Promise<DeviceData> {
  const directory = join(cache, `devices-${String(count)}`);
  if (!(await exists(directory))) {
    // Whole or not at all, whoever else makes it meanwhile.
    const making = `${directory}.${String(process.pid)}`;
    await makeDevices(making, { prefix: 'load-', first: 0, count }, onProgress);
    await rename(making, directory).catch(() => rm(making, { recursive: true }));
  }
  return {
    requests: join(directory, 'requests.ndjson'),
    allowList: join(directory, 'devices.csv'),
    count,
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
