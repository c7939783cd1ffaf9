import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { ocspCases, withBroken } from '@certmill/ports/conformance';
import type { OcspResponses, OcspStore } from '@certmill/ports';
import { openOcspFileReader } from './ocsp-file-reader.js';
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

function twoOf(batchId: string, text: string, producedAtMs: number): OcspResponses {
  return {
    ...{ tenant: 't', batchId, chunkNumber: 0, firstIndex: 0, count: 2 },
    ...{ issuer: 'i', responder: 'r', digest: text, producedAtMs },
    ...{ thisUpdateMs: producedAtMs, nextUpdateMs: 1_000 },
    pairs: [1, 2].map((number) => new Uint8Array(Buffer.from(`${text} ${String(number)}`))),
  };
}

test('what was put is read by another connection from then on, whole or not at all', async () => {
  const batchId = aBatchId();
  const reader = openOcspFileReader(path);
  const read = () =>
    [0, 1].map((index) => Buffer.from(reader.findPair(batchId, index)?.packed ?? []).toString());
  expect(reader.findPair(batchId, 0)).toBeUndefined();
  await store.putResponses(twoOf(batchId, 'good', 1), undefined);
  expect(read()).toEqual(['good 1', 'good 2']);
  // The second one cannot be written, so the first one is not, nor what is known of both.
  const broken = twoOf(batchId, 'broken', 2);
  const halfDone = { ...broken, pairs: [broken.pairs[0], 'no octets' as never] };
  await expect(store.putResponses(halfDone, 1)).rejects.toMatchObject({ code: 'FAULT_STORE_DOWN' });
  expect(read()).toEqual(['good 1', 'good 2']);
  expect((await store.findResponses(batchId, 0))?.digest).toBe('good');
  await store.putResponses(twoOf(batchId, 'revoked', 2), 1);
  expect(read()).toEqual(['revoked 1', 'revoked 2']);
});

test('what is settled is there without the log, which a loss of power may take', async () => {
  const batchId = aBatchId();
  await store.putResponses(twoOf(batchId, 'good', 1), undefined);
  await store.settle();
  await store.putResponses(twoOf(batchId, 'revoked', 2), 1);
  const digestIn = async (copy: string): Promise<string | undefined> => {
    copyFileSync(path, copy);
    const left = new OcspFile(copy);
    const found = await left.findResponses(batchId, 0);
    await left.stop();
    return found?.digest;
  };
  expect(await digestIn(join(directory, 'before.sqlite'))).toBe('good');
  await store.settle();
  expect(await digestIn(join(directory, 'after.sqlite'))).toBe('revoked');
});

test('what is forgotten or removed leaves no octets behind', async () => {
  const db = new DatabaseSync(path, { readOnly: true });
  const count = (): unknown => db.prepare('SELECT count(*) AS pairs FROM pairs').get()?.['pairs'];
  const before = count();
  const [one, other] = [aBatchId(), aBatchId()];
  await store.putResponses(twoOf(one, 'a', 1), undefined);
  await store.putResponses({ ...twoOf(other, 'b', 1), nextUpdateMs: 5 }, undefined);
  expect(count()).toBe(Number(before) + 4);
  await store.removeResponses(one, 0, 1);
  await store.forgetResponses(10);
  expect(count()).toBe(before);
  db.close();
});

test('of many that ended a few are forgotten in a turn, so that others are answered meanwhile', async () => {
  const db = new DatabaseSync(path, { readOnly: true });
  const count = (): number =>
    Number(db.prepare('SELECT count(*) AS chunks FROM responses').get()?.['chunks']);
  await store.forgetResponses(Infinity);
  const kept = aBatchId();
  await store.putResponses(twoOf(kept, 'kept', 1), undefined);
  for (let n = 0; n < 30; n += 1) {
    await store.putResponses({ ...twoOf(aBatchId(), 'a', 1), nextUpdateMs: 5 }, undefined);
  }
  const forgotten = store.forgetResponses(10);
  let turns = 0;
  for (let last = 31; last > 1; turns += 1) {
    await turn();
    const left = count();
    expect(last - left).toBeLessThanOrEqual(16);
    last = left;
  }
  expect(turns).toBeGreaterThan(1);
  expect(await forgotten).toBe(30);
  expect((await store.findPair(kept, 1))?.nextUpdateMs).toBe(1_000);
  db.close();
});

test('what is withdrawn is not in time any more, and the next to be signed again', async () => {
  const [kept, withdrawn] = [aBatchId(), aBatchId()];
  await store.forgetResponses(Infinity);
  await store.putResponses({ ...twoOf(kept, 'a', 1), issuer: 'kept' }, undefined);
  await store.putResponses({ ...twoOf(withdrawn, 'b', 1), issuer: 'other' }, undefined);
  await store.withdrawOthers(['kept', 'nobody']);
  const endOf = async (batchId: string) => (await store.findPair(batchId, 0))?.nextUpdateMs;
  expect([await endOf(kept), await endOf(withdrawn)]).toEqual([1_000, 1]);
  const page = { issuers: ['kept', 'other'], limit: 10 };
  const ending = await store.listEndingResponses(500, page);
  expect(ending.map(({ batchId }) => batchId)).toEqual([withdrawn]);
});
