// Each module that a package imports is in its own package.json: none is there only because another
// package brought it along. Tests may also import what the root declares.
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const manifestOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
// The probes of boundaries.spec.mjs come and go while this runs.
const sources = globSync(
  ['libs/*/src/**/*.ts', 'apps/*/src/**/*.ts', 'e2e/src/**/*.ts', 'infra/*/src/**/*.ts'],
  { cwd: root, exclude: ['**/boundary-probe-*'] },
);
const isTest = (file) => /\.(?:spec|bench|fixture)\.|\/testing\/|^e2e\//.test(file);

/** Names of the packages that a file imports. */
function importsOf(file) {
  return ts
    .preProcessFile(readFileSync(join(root, file), 'utf8'))
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
}

const packages = [...new Set(sources.map((file) => /^e2e|^[^/]+\/[^/]+/.exec(file)[0]))];

test('there are files of every package', () => {
  expect(packages.length).toBeGreaterThan(11);
  expect(new Set(sources.flatMap(importsOf)).size).toBeGreaterThan(20);
});

test.each(packages)('%s declares what it imports', (folder) => {
  const manifest = manifestOf(folder);
  const { devDependencies = {} } = manifest;
  const dependencies = { ...manifest.dependencies, ...manifest.optionalDependencies };
  const forTests = { ...dependencies, ...devDependencies, ...manifestOf('').devDependencies };
  const undeclared = sources
    .filter((file) => file.startsWith(`${folder}/`))
    .flatMap((file) => {
      const declared = isTest(file) ? forTests : dependencies;
      return importsOf(file)
        .filter((name) => !(name in declared))
        .map((name) => `${file}: ${name}`);
    });
  expect(undeclared).toEqual([]);
});
