import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ocspCases, withBroken } from '@certmill/ports/conformance';
import type { OcspStore } from '@certmill/ports';
import { OcspFile } from './ocsp-file.js';

const directory = mkdtempSync(join(tmpdir(), 'certmill-ocsp-'));
const path = join(directory, 'responses.sqlite');
const store = new OcspFile(path);

afterAll(async () => {
  await store.stop();
  rmSync(directory, { recursive: true });
});

const aBatchId = (): string => randomBytes(13).toString('hex');

describe.each(ocspCases)('$name', (rule) => {
  test('it holds', () => rule.run(store, aBatchId()));

  test('a store that breaks it is caught', async () => {
    const around = withBroken(store as OcspStore, rule.broken(store));
    await expect(rule.run(around, aBatchId())).rejects.toThrow();
  });
});

test('what was put is there after a restart', async () => {
  const batchId = aBatchId();
  await ocspCases[0]?.run(store, batchId);
  const again = new OcspFile(path);
  expect((await again.findResponses(batchId, 300))?.count).toBe(100);
  await again.stop();
});
