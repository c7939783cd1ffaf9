import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.js';
import { withLock } from './with-lock.js';

/**
 * The folder of a part in the cache, made by `install` where it is not there. `name` includes the
 * version. A folder with that name is always whole: it is made beside and renamed, by one process at
 * a time; others wait.
 */
export async function installOnce(
  name: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = cacheFolder();
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  return withLock(join(cache, `${name}.lock`), async () => {
    if (existsSync(folder)) return folder;
    const unfinished = (await readdir(cache)).filter((entry) => entry.startsWith(`${name}.part-`));
    for (const entry of unfinished) await rm(join(cache, entry), { recursive: true });
    process.stderr.write(`installing ${name} into ${cache}\n`);
    const part = await mkdtemp(join(cache, `${name}.part-`));
    try {
      await install(part);
      await rename(part, folder);
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw error;
    }
    return folder;
  });
}
