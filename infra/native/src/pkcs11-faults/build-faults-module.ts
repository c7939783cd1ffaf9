import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { contentKey } from '../cache/content-key.js';
import { installOnce } from '../cache/install-once.js';
import { packageFolder } from '../package-folder.js';
import { runCommand } from '../process/run-command.js';

const fileName = 'pkcs11-faults.so';

/** pkcs11js is an optional package: it is missing where it could not be compiled. */
function headerFolder(): string {
  const require = createRequire(import.meta.url);
  try {
    return join(dirname(require.resolve('pkcs11js/package.json')), 'includes', 'pkcs11');
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', 'the package pkcs11js is not installed', { cause });
  }
}

/** The PKCS#11 module that fails on command; compiled once. */
export async function buildFaultsModule(): Promise<string> {
  const source = join(packageFolder, 'pkcs11-faults', 'pkcs11-faults.c');
  const folder = await installOnce(`pkcs11-faults-${await contentKey(source)}`, async (part) => {
    await runCommand(
      'gcc',
      [
        ...['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-O2', '-fPIC', '-shared'],
        ...['-I', headerFolder(), '-o', join(part, fileName), source, '-ldl', '-pthread'],
      ],
      { purpose: 'the PKCS#11 module for faults', install: 'gcc (Debian: gcc libc6-dev)' },
    );
  });
  return join(folder, fileName);
}
