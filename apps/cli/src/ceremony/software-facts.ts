import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  codeHash,
  installedPackages,
  nodeHash,
  type SoftwareFacts,
} from '@certmill/trust/ceremony';

const packageFile = new URL('../../package.json', import.meta.url);

/** The version of this program, its commit where that is known, and the hashes of the packages that it declares. */
export async function softwareFacts(): Promise<SoftwareFacts> {
  const { version } = JSON.parse(await readFile(packageFile, 'utf8')) as {
    readonly version: string;
  };
  const packages = await installedPackages(dirname(fileURLToPath(packageFile)));
  const commit = await checkedOutCommit();
  return {
    version,
    ...(commit === undefined ? {} : { commit }),
    codeSha256: codeHash(packages),
    packages,
    nodeSha256: await nodeHash(),
  };
}

/** Of a checkout that this runs from; undefined in an installation. */
async function checkedOutCommit(): Promise<string | undefined> {
  const git = new URL('../../../../.git/', import.meta.url);
  const read = async (name: string): Promise<string> =>
    readFile(new URL(name, git), 'utf8').catch(() => '');
  const head = (await read('HEAD')).trim();
  const [, ref] = /^ref: (refs\/heads\/[\w./-]+)$/.exec(head) ?? [];
  const commit = ref === undefined ? head : (await read(ref)).trim();
  return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
}
