// Shows that the module-boundary rule bites: for every layer an import that must be refused and one
// that must pass. The rule passes silently when something is wrong with Nx's project graph.
import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Project folder, what its sources may import, what they must not; of which kind the sources are. */
const rows = [
  ['libs/der', 'node:crypto', '@certmill/domain'],
  ['libs/domain', 'node:crypto', '@certmill/der'],
  ['libs/events', '@certmill/domain', '@certmill/ports'],
  ['libs/ports', '@certmill/events', '@certmill/pipeline'],
  ['libs/pipeline', '@certmill/ports', '@certmill/signing'],
  ['libs/pipeline', '@certmill/der', '@nestjs/common'],
  ['libs/signing', '@certmill/pipeline', '@certmill/trust'],
  ['libs/trust', '@certmill/pipeline', '@certmill/adapter-embedded'],
  ['libs/adapter-embedded', '@certmill/ports', '@certmill/platform'],
  ['libs/packed', '@certmill/ports', '@certmill/pipeline'],
  ['libs/adapter-kafka', '@certmill/ports', '@certmill/adapter-mongo'],
  ['libs/adapter-mongo', '@certmill/packed', '@certmill/adapter-embedded'],
  ['libs/adapter-bullmq', '@certmill/ports', '@certmill/adapter-kafka'],
  ['libs/platform', '@nestjs/common', '@certmill/adapter-embedded'],
  ['libs/fleet', '@certmill/adapter-mongo', '@certmill/standalone'],
  ['apps/sign', '@certmill/fleet', '@certmill/standalone'],
  ['infra/native', '@certmill/domain', '@certmill/pipeline'],
  ['libs/adapter-kafka', '@certmill/domain', '@certmill/native'],
  ['libs/adapter-kafka', '@certmill/native', '@certmill/adapter-mongo', 'fleet.spec.ts'],
  ['apps/standalone', '@certmill/platform', 'certmill-cli'],
  ['load-tests', 'certmill-cli/load', '@certmill/standalone'],
];

const probes = rows.flatMap(([folder, allowed, forbidden, kind = 'ts'], i) => [
  {
    folder,
    packageName: allowed,
    refused: false,
    file: join(root, folder, 'src', `boundary-probe-${i}-allowed.${kind}`),
  },
  {
    folder,
    packageName: forbidden,
    refused: true,
    file: join(root, folder, 'src', `boundary-probe-${i}-forbidden.${kind}`),
  },
]);
const rule = '@nx/enforce-module-boundaries';
let messagesByFile = new Map();

async function lint(files) {
  const child = spawn(process.execPath, ['tools/lint.mjs', '--format=json', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  return JSON.parse(output);
}

/** One kind at a time: a forbidden import closes a circle, which makes the allowed way back an error too. */
async function lintProbes(kind) {
  const files = kind.map(({ file }) => file);
  try {
    for (const { file, packageName } of kind) {
      await writeFile(
        file,
        `import type * as imported from '${packageName}';\nexport type Imported = keyof typeof imported;\n`,
      );
    }
    return await lint(files);
  } finally {
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }
}

beforeAll(async () => {
  const results = [
    ...(await lintProbes(probes.filter(({ refused }) => refused))),
    ...(await lintProbes(probes.filter(({ refused }) => !refused))),
  ];
  messagesByFile = new Map(results.map(({ filePath, messages }) => [filePath, messages]));
}, 300_000);

describe('module boundaries', () => {
  it.each(probes)('$folder importing $packageName is refused: $refused', ({ file, refused }) => {
    const rules = (messagesByFile.get(file) ?? []).map(({ ruleId }) => ruleId);
    expect(rules.includes(rule)).toBe(refused);
  });
});
