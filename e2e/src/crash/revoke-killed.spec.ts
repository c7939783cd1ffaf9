import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import type { ChainedAuditEntry } from '@certmill/domain';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aDataFolder, anOrder, aServerIn, ndjson } from '../http/test-server.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';

const certificates = 1_200;
const killedAfter = 500;
const program = fileURLToPath(new URL('./revoke-process.fixture.js', import.meta.url));

let folder: Awaited<ReturnType<typeof aDataFolder>>;
let batchId = '';

beforeAll(async () => {
  folder = await aDataFolder();
  const server = await aServerIn(folder.path);
  await anOrder(server, 'o1');
  const answer = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': 'all' },
    body: ndjsonOf(csrsOf(certificates, 'all')),
  });
  ({ batchId } = (await answer.json()) as { readonly batchId: string });
  await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
  await server[Symbol.asyncDispose]();
});
afterAll(() => folder[Symbol.asyncDispose]());

async function findings(): Promise<readonly string[]> {
  await using opened = await openStoreForReading(folder.path);
  return (await verifyFolder(opened, () => undefined)).findings;
}

async function rows() {
  await using opened = await openStoreForReading(folder.path);
  const scope = { issuer: 'dev', shard: 0 };
  return {
    listed: (await opened.store.listRevoked(scope, { limit: 10_000 })).length,
    changes: await opened.store.countChanges(scope),
  };
}

async function revokedSerials(): Promise<readonly string[]> {
  await using opened = await openStoreForReading(folder.path);
  const listed = await opened.store.listRevoked({ issuer: 'dev', shard: 0 }, { limit: 10_000 });
  return listed.map(({ serialNumber }) => Buffer.from(serialNumber).toString('hex'));
}

const revoke = (...more: readonly string[]) =>
  runCertmill([
    ...['revoke', '--batch', batchId, '--reason', 'cACompromise', '--data', folder.path],
    ...['--json', ...more],
  ]);

test('a mass revocation that is killed and repeated revokes each certificate once', async () => {
  const child = spawn(process.execPath, [program, folder.path, batchId, String(killedAfter)]);
  const [, signal] = (await once(child, 'exit')) as [unknown, string];
  expect(signal).toBe('SIGKILL');
  const before = await rows();
  expect(before.listed).toBeGreaterThanOrEqual(killedAfter);
  expect(before.listed).toBeLessThan(certificates);
  expect(before.changes).toBe(before.listed);
  expect(await findings()).toEqual([]);

  expect((await revoke()).exitCode).toBe(1);
  const again = await revoke('--yes');
  expect(JSON.parse(again.stdout)).toMatchObject({
    changed: certificates - before.listed,
    unchanged: before.listed,
    refused: 0,
  });
  expect(await rows()).toEqual({ listed: certificates, changes: certificates });
  expect(await findings()).toEqual([]);

  const listed = await runCertmill(['audit', 'list', '--data', folder.path, '--json']);
  const { entries } = JSON.parse(listed.stdout) as {
    readonly entries: readonly ChainedAuditEntry[];
  };
  const told = entries.filter(({ action }) => /^revocation\.(begun|ended)$/.test(action));
  expect(told.map(({ action }) => action)).toEqual([
    'revocation.begun',
    'revocation.begun',
    'revocation.ended',
  ]);
  expect(told[0]?.actor).toBe('the one that dies');
  const begun = told.slice(0, 2).map(({ sequence }) => sequence);
  expect(told[2]?.detail['begun']).toBe(begun[1]);
  const chunks = entries.filter(({ action }) => action === 'revocation.chunk');
  expect(new Set(chunks.map(({ detail }) => detail['begun']))).toEqual(new Set(begun));
  const named = chunks.flatMap(({ detail }) => String(detail['serialNumbers']).split(' '));
  expect(new Set(named)).toEqual(new Set(await revokedSerials()));
});

test('a trail that somebody changed is broken, and rows that somebody took away are missed', async () => {
  const verify = () => runCertmill(['audit', 'verify', '--data', folder.path]);
  expect((await verify()).exitCode).toBe(0);
  const env = { CERTMILL_CA_PASSPHRASE_FILE: join(folder.path, 'test-passphrase') };
  const build = () => runCertmill(['crl', 'build', 'dev', '--data', folder.path], { env });
  const inForce = async (): Promise<bigint | undefined> => {
    await using opened = await openStoreForReading(folder.path);
    return (await opened.store.describeCrl({ issuer: 'dev', shard: 0 }, 'full'))?.crlNumber;
  };
  expect((await build()).exitCode).toBe(0);
  const before = await inForce();
  const db = new DatabaseSync(join(folder.path, 'store', 'certmill.db'));
  db.exec(`UPDATE audit SET actor = 'nobody' WHERE sequence = 2;
    DELETE FROM revocations WHERE serial_number = (SELECT min(serial_number) FROM revocations)`);
  db.close();
  const broken = await verify();
  expect(broken.exitCode).toBe(1);
  expect(broken.stderr).toContain('FAULT_AUDIT_BROKEN');
  const found = await findings();
  expect(found).toContain('the audit trail is broken at entry 2');
  expect(found.some((line) => line.includes('not in the rows of its CRL'))).toBe(true);
  expect(found.some((line) => line.includes('others than were recorded'))).toBe(true);
  // No CRL is made of them, and the one in force stays.
  const refused = await build();
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain('FAULT_STATUS_FORGED');
  expect(before).toBeDefined();
  expect(await inForce()).toBe(before);
});
