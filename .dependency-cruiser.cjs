/** Cycles between files are refused everywhere, of types too; layers are the lint rule's business. */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-cycles-of-types',
      comment:
        'The one list of all documents stands between their owners: of types alone, so nothing runs in circles.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { pathNot: '^libs/adapter-mongo/src/collections[.]ts$' } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
};
