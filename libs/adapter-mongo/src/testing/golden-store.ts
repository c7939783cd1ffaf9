import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crlReasons, type CertificateStatus } from '@certmill/domain';
import { BSON, type Db } from 'mongodb';
import { aBatch, aChunk } from '@certmill/ports/conformance';
import type { MongoStore } from '../mongo-store.js';
import { issueAnOrder, whatIsStored } from './issue-an-order.js';

/** A file per collection, a document per line as canonical Extended JSON. */
export const goldenFolder = join(import.meta.dirname, '../../test-data/formats');
export const goldenTenant = 'acme';
const answersFile = 'answers.json';
const suffix = '.ejson';

/** The formats of which there is a store. */
export function goldenFormats(): readonly string[] {
  return readdirSync(goldenFolder).filter((name) => /^\d+$/.test(name));
}

/** Everything that a store can hold: beside an order's whole life a dead letter, and an open upload. */
export async function fillGoldenStore(store: MongoStore): Promise<void> {
  await issueAnOrder(store, goldenTenant);
  const batch = aBatch(goldenTenant, 'open');
  await store.openBatch(batch);
  const [dead, begun] = [
    aChunk(batch, ['d0', 'd1']),
    aChunk(batch, ['d2'], { chunkNumber: 1, firstIndex: 2 }),
  ];
  for (const chunk of [dead, begun]) await store.registerChunk(chunk.registration);
  await store.confirmChunk(dead.ref);
  const cause = { code: 'FAULT_PROCESSING', detail: '', stage: 'sign', topic: 't', place: '0:7' };
  await store.markDeadLettered(dead.ref, cause);
  await store.addCredential({
    keyHash: 'f'.repeat(64),
    tenant: goldenTenant,
    role: 'operator',
    label: 'golden',
    createdAtMs: 3,
  });
}

/** What the ports tell of a golden store. */
export async function answersOf(store: MongoStore): Promise<unknown> {
  const batch = aBatch(goldenTenant, 'open');
  const { tenant, batchId } = batch;
  const { status, ...order } = await whatIsStored(store, goldenTenant);
  const answers = {
    order: { ...order, status: status && reasonAsNumber(status) },
    open: await store.getBatch(tenant, batchId),
    letters: await store.listDeadLetters(tenant, batchId, { limit: 10 }),
    registration: await store.getRegistration({ tenant, batchId, chunkNumber: 1 }),
    credentials: await store.listCredentials(tenant),
    epoch: Buffer.from(await store.storeEpoch()).toString('hex'),
    lastIssuanceMs: await store.lastIssuanceMs(),
  };
  return JSON.parse(
    JSON.stringify(answers, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  );
}

/** As it was told when format 1 was made. */
function reasonAsNumber(status: CertificateStatus) {
  return status.state === 'revoked' ? { ...status, reason: crlReasons[status.reason] } : status;
}

export function goldenAnswers(format: string): unknown {
  return JSON.parse(readFileSync(join(goldenFolder, format, answersFile), 'utf8'));
}

/** Puts a golden store in the place of what a database holds. */
export async function loadGoldenStore(db: Db, format: string): Promise<void> {
  const folder = join(goldenFolder, format);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(suffix))) {
    const collection = db.collection(file.slice(0, -suffix.length));
    await collection.deleteMany({});
    const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
    await collection.insertMany(
      lines.map((line) => BSON.EJSON.parse(line, { relaxed: false }) as Record<string, unknown>),
    );
  }
}

/** The files of a golden store, by name, of what a database holds. */
export async function goldenFilesOf(
  db: Db,
  collections: readonly string[],
  store: MongoStore,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of collections) {
    const documents = await db.collection(name).find().sort({ _id: 1 }).toArray();
    if (documents.length === 0) continue;
    const lines = documents.map((document) => BSON.EJSON.stringify(document, { relaxed: false }));
    files.set(name + suffix, `${lines.join('\n')}\n`);
  }
  files.set(answersFile, `${JSON.stringify(await answersOf(store), undefined, 2)}\n`);
  return files;
}
