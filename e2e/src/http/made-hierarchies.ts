import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StatusAddresses } from '@certmill/domain';
import { createHierarchy, type IssuerKeyType } from '@certmill/trust';

export interface HierarchySetup {
  readonly issuers: Readonly<Record<string, IssuerKeyType>>;
  readonly status?: StatusAddresses | undefined;
  readonly rootKey?: IssuerKeyType | undefined;
}

/** Of the keys of all test servers. */
export const passphrase = 'only for this test';

interface MadeFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** What `createHierarchy` made in this test file, by what was asked for. */
const made = new Map<string, readonly MadeFile[]>();

/**
 * A root and issuers under it in an empty folder. Each costs three derivations of a key from the passphrase, as
 * much as the rest of a server's start: the next folder that asks for the same gets the same files.
 */
export async function hierarchyIn(directory: string, setup: HierarchySetup): Promise<void> {
  const wanted = JSON.stringify(setup);
  const isEmpty = (await readdir(directory)).length === 0;
  const files = isEmpty ? made.get(wanted) : undefined;
  if (files !== undefined) {
    for (const { path, mode, content } of files) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content, { mode });
    }
    return;
  }
  const { issuers, status, rootKey: rootKeyType } = setup;
  for (const [name, keyType] of Object.entries(issuers)) {
    const options = { name, directory, passphrase, keyType, nowMs: Date.now() };
    await createHierarchy({
      ...options,
      ...(status === undefined ? {} : { status }),
      ...(rootKeyType === undefined ? {} : { rootKeyType }),
    });
  }
  if (isEmpty) made.set(wanted, await filesIn(directory));
}

async function filesIn(directory: string): Promise<readonly MadeFile[]> {
  const paths = await readdir(directory, { recursive: true });
  const files = paths.map(async (path): Promise<readonly MadeFile[]> => {
    const stats = await stat(join(directory, path));
    if (!stats.isFile()) return [];
    return [{ path, mode: stats.mode, content: await readFile(join(directory, path)) }];
  });
  return (await Promise.all(files)).flat();
}
