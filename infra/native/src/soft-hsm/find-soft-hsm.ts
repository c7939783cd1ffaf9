import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { unpackDebian } from '../install/debian.js';
import { findCommand } from '../process/find-command.js';

export interface SoftHsmProgram {
  readonly moduleFile: string;
  readonly utility: string;
  /** What a process that loads the module needs. */
  readonly environment: Readonly<Record<string, string>>;
}

const moduleName = 'libsofthsm2.so';
const utility = 'softhsm2-util';

/** Debian and Ubuntu, Fedora, and a build from source, below the prefix that has bin/softhsm2-util. */
function findModule(prefix: string): string | undefined {
  const multiarch = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' } as Record<
    string,
    string
  >;
  const folders = [join('lib', multiarch[process.arch] ?? ''), 'lib', 'lib64'].flatMap((folder) => [
    join(prefix, folder, 'softhsm', moduleName),
    join(prefix, folder, moduleName),
    join(prefix, folder, 'pkcs11', moduleName),
  ]);
  return folders.find((file) => existsSync(file));
}

/** SoftHSM2 of the system, else the distribution's in the cache. */
export async function findSoftHsm(): Promise<SoftHsmProgram> {
  const installed = findCommand(utility);
  const found = installed === undefined ? undefined : findModule(dirname(dirname(installed)));
  if (installed !== undefined && found !== undefined) {
    return { moduleFile: found, utility: installed, environment: {} };
  }
  const { folder, libraryPath, programFile } = await unpackDebian({
    name: 'softhsm2',
    together: ['libsofthsm2'],
    programs: [utility],
    purpose: 'SoftHSM2',
    install: 'SoftHSM2, softhsm2-util on the PATH (Debian: softhsm2)',
  });
  const moduleFile = findModule(join(folder, 'usr'));
  if (moduleFile === undefined) {
    throw new CertmillError('CONFIG_INVALID', `there is no ${moduleName} in the package softhsm2`);
  }
  return {
    moduleFile,
    utility: programFile(utility),
    environment: { LD_LIBRARY_PATH: libraryPath },
  };
}
