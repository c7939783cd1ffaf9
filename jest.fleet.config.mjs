import base from './jest.config.mjs';

// Specs on real servers, which infra/native starts once for the run.
export default {
  ...base,
  testMatch: ['**/dist/**/*.fleet.spec.js'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/infra/native/dist/jest/global-setup.js',
  globalTeardown: '<rootDir>/infra/native/dist/jest/global-teardown.js',
  testTimeout: 300_000,
};
