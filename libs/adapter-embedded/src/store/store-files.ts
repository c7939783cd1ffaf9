import { join } from 'node:path';

/** Where the parts of a store lie in its folder. */
export function storeFiles(directory: string) {
  return {
    database: join(directory, 'certmill.db'),
    segments: join(directory, 'segments'),
    claims: join(directory, 'claims'),
    index: join(directory, 'index'),
    allowLists: join(directory, 'allow-lists'),
    crls: join(directory, 'crls'),
  } as const;
}

const allowListSuffix = '.allowlist';

export function allowListFile(directory: string, allowListId: string): string {
  return join(storeFiles(directory).allowLists, allowListId + allowListSuffix);
}

export function crlFile(directory: string, fileId: string): string {
  return join(storeFiles(directory).crls, `${fileId}.crl`);
}
