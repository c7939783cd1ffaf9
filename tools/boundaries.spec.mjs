// Shows that the module-boundary rule bites: for every layer one import that must be refused, and one
// that must be allowed. The rule passes silently when something is wrong with Nx's project graph.
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

/** folder, package that its sources may import, packages that they must not. */
const rows = [
  ['libs/der', undefined, '@certmill/domain'],
  ['libs/domain', undefined, '@certmill/der'],
  ['libs/events', '@certmill/domain', '@certmill/ports'],
  ['libs/ports', '@certmill/events', '@certmill/pipeline'],
  ['libs/pipeline', '@certmill/ports', '@certmill/signing'],
  ['libs/signing', '@certmill/pipeline', '@certmill/trust'],
  ['libs/trust', '@certmill/pipeline', '@certmill/adapter-embedded'],
  ['libs/adapter-embedded', '@certmill/ports', '@certmill/platform'],
  ['libs/platform', '@certmill/pipeline', '@certmill/adapter-embedded'],
  ['libs/pipeline', '@certmill/ports', '@nestjs/common'],
  ['apps/standalone', '@certmill/platform', 'certmill-cli'],
];

async function lintWithImport(folder, packageName, name) {
  const file = join(root, folder, 'src', `${name}.ts`);
  await writeFile(file, `import type * as imported from '${packageName}';\nexport type Imported = keyof typeof imported;\n`);
  try {
    await run('node', ['tools/lint.mjs', file], { cwd: root });
    return '';
  } catch (error) {
    return `${error.stdout}${error.stderr}`;
  } finally {
    await rm(file);
  }
}

describe('module boundaries', () => {
  it.each(rows)('%s may import %s but not %s', async (folder, allowed, forbidden) => {
    const refused = await lintWithImport(folder, forbidden, 'boundary-forbidden');
    expect(refused).toMatch(/@nx\/enforce-module-boundaries|boundaries/);
    if (allowed !== undefined) {
      expect(await lintWithImport(folder, allowed, 'boundary-allowed')).not.toMatch(/enforce-module-boundaries/);
    }
  }, 60_000);
});
