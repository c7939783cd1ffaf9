import { existsSync } from 'node:fs';
import { join } from 'node:path';

// Threads of servers under test find their modules compiled, as those of `certmill` do (apps/cli/bin).
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/certmill');

// The compiled output is what is tested: no transform, so tests, workers and production run the same code.
export default {
  testEnvironment: 'node',
  roots: [
    '<rootDir>/libs',
    '<rootDir>/apps',
    '<rootDir>/e2e',
    '<rootDir>/infra',
    '<rootDir>/load-tests',
    '<rootDir>/tools',
  ].filter((root) => existsSync(root.replace('<rootDir>', import.meta.dirname))),
  testMatch: ['**/dist/**/*.spec.js', '<rootDir>/tools/**/*.spec.mjs'],
  // They need servers: npm run test:fleet.
  testPathIgnorePatterns: ['/node_modules/', '\\.fleet\\.spec\\.js$'],
  modulePathIgnorePatterns: ['<rootDir>/.cache/'],
  transform: {},
  haste: { enableSymlinks: false },
  // For what hangs: how long the rest takes is what else the machine does. A test that something comes in
  // time says so itself.
  testTimeout: 180_000,
  // On two cores the third works while the others wait for processes and disks.
  maxWorkers: 3,
};
