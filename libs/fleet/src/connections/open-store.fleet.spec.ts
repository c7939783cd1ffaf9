import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { initCollections, openStoreImport } from '@certmill/adapter-mongo';
import { statusKeysOf, statusSealsOf } from '@certmill/pipeline';
import { fleetSchema } from '../config/fleet-config.js';
import { openContext } from '../service-context.js';
import { openStore } from './open-store.js';

const clock = { nowMs: () => 1 };
const statusSeals = statusSealsOf(statusKeysOf(new Uint8Array(32)));

async function aDatabase(): Promise<{ readonly uri: string; readonly database: string }> {
  const uri = process.env['MONGODB_URI'];
  assert.ok(uri, 'MONGODB_URI is not set: run npm run test:fleet');
  const where = { uri, database: `certmill-${randomUUID().slice(0, 8)}` };
  await initCollections(where);
  return where;
}

async function startOn(mongo: { readonly uri: string; readonly database: string }): Promise<void> {
  const config = fleetSchema.parse({
    kafka: { brokers: ['127.0.0.1:1'] },
    mongo,
    logLevel: 'silent',
  });
  const { context } = await openContext('publish', config, new AbortController().signal, {});
  try {
    await openStore(context);
  } finally {
    for (const part of context.parts.reverse()) await part.stop(1_000);
  }
}

describe('a service', () => {
  test('opens a store of this format', async () => {
    await startOn(await aDatabase());
  });

  test('does not start while a migration has begun and not ended, and does not wait for it', async () => {
    const where = await aDatabase();
    const into = await openStoreImport({ ...where, clock, statusSeals });
    await into.begin('a folder', new Uint8Array(16));
    await expect(startOn(where)).rejects.toMatchObject({ code: 'CONFLICT' });
    await into.end('a folder');
    await startOn(where);
    await into.stop();
  });
});
