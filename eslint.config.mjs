import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** Who may see whom (docs/ARCHITECTURE.md): each layer and what lies to its right. */
const pure = ['layer:der', 'layer:domain'];
const below = {
  'layer:der': [],
  'layer:domain': [],
  'layer:events': pure,
  'layer:ports': ['layer:events', ...pure],
  'layer:pipeline': ['layer:ports', 'layer:events', ...pure],
  'layer:signing': ['layer:pipeline', 'layer:ports', 'layer:events', ...pure],
  'layer:trust': ['layer:pipeline', 'layer:ports', 'layer:events', ...pure],
  'layer:packed': ['layer:ports', 'layer:events', ...pure],
  'layer:adapter': ['layer:packed', 'layer:pipeline', 'layer:ports', 'layer:events', ...pure],
  'layer:platform': ['layer:pipeline', 'layer:ports', 'layer:events', ...pure],
};
below['layer:fleet'] = Object.keys(below);
const libraries = Object.keys(below);
const serverFrameworks = ['@nestjs/*', 'fastify', 'rxjs'];

export const depConstraints = [
  ...Object.entries(below).map(([sourceTag, onlyDependOnLibsWithTags]) => ({
    sourceTag,
    onlyDependOnLibsWithTags,
    ...(sourceTag === 'layer:platform' ? {} : { bannedExternalImports: serverFrameworks }),
  })),
  { sourceTag: 'layer:app', onlyDependOnLibsWithTags: libraries },
  { sourceTag: 'layer:command', onlyDependOnLibsWithTags: ['layer:app', ...libraries] },
  { sourceTag: 'layer:native', onlyDependOnLibsWithTags: pure },
  {
    sourceTag: 'layer:load',
    onlyDependOnLibsWithTags: ['layer:command', 'layer:native', ...pure],
  },
  {
    sourceTag: 'layer:e2e',
    onlyDependOnLibsWithTags: ['layer:app', 'layer:native', ...libraries],
  },
];

/** Fleet specs may also start servers of their own, to kill them. */
const fleetSpecConstraints = depConstraints.map((constraint) => ({
  ...constraint,
  onlyDependOnLibsWithTags: [...constraint.onlyDependOnLibsWithTags, 'layer:native'],
}));
const boundaries = (constraints) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allow: [],
    // A command loads late what only some of its ways need: no bundle is split by it.
    checkDynamicDependenciesExceptions: ['@certmill/**'],
    depConstraints: constraints,
  },
];

const bannedSyntax = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
  { selector: 'TSEnumDeclaration', message: 'Use a const object and a union.' },
  {
    selector: 'ExportAllDeclaration',
    message: 'List what is exported by name.',
  },
];
const bannedInProduction = [
  ...bannedSyntax,
  {
    selector: "ThrowStatement > NewExpression[callee.name='Error']",
    message: 'Throw a CertmillError with a code of the fault catalogue.',
  },
  {
    selector: 'Literal[value=/^certmill\\.(requests|certificates)\\./]',
    message: 'Topics are spelled once, in libs/events/src/topics.ts.',
  },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/generated/**',
      '**/node_modules/**',
      '.nx/**',
      '.cache/**',
      '**/test-data/**',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, prettier],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': boundaries(depConstraints),
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      'no-restricted-syntax': ['error', ...bannedInProduction],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['libs/events/src/topics.ts'],
    rules: { 'no-restricted-syntax': ['error', ...bannedSyntax] },
  },
  {
    files: [
      '**/*.spec.ts',
      '**/*.conformance.ts',
      '**/conformance/**/*.ts',
      '**/*.bench.ts',
      'e2e/**/*.ts',
    ],
    rules: {
      'no-restricted-syntax': ['error', ...bannedSyntax],
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.fleet.spec.ts'],
    rules: { '@nx/enforce-module-boundaries': boundaries(fleetSpecConstraints) },
  },
);
