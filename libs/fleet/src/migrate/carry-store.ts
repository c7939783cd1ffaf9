import type {
  ReadChunk,
  ReadRevocation,
  ReadStatus,
  RevocationPlace,
  StoreReadOut,
} from '@certmill/adapter-embedded';
import type { RevocationImport, StoreImport } from '@certmill/adapter-mongo';
import {
  CertmillError,
  chunkIdOf,
  frozenPageBatches,
  type ChainedAuditEntry,
  type ChunkOutcome,
  type ChunkPlace,
  type FrozenBatch,
  type MassOperation,
  type TenantId,
} from '@certmill/domain';
import { decodeIssuedChunk, decodeReceivedHead, decodeVerdict } from '@certmill/events';
import { listScope, terminalOf } from '@certmill/pipeline';
import type { AuditStore, CrlScope, MassOperationStore } from '@certmill/ports';
import type { KeptLetters } from './carry-dead-letters.js';
import { allOf } from '../all-of.js';
import { inOrderOfDecision } from './decision-order.js';
import type { MigrationSource } from './migration-source.js';

/** How far it is; `total` of the same thing. */
export type OnCarried = (what: string, done: number, total: number) => void;

const rowsAtOnce = 500;
/** Some 150 KB each. */
const chunksAtOnce = 16;

/** Everything behind a number, in order. */
export async function* rowsOf<T extends { readonly seq: number }>(
  read: (after: number, limit: number) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  let after = 0;
  for (;;) {
    const rows = await read(after, rowsAtOnce);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

/**
 * Carries a store over, in an order in which nothing names what is not there yet; whatever is there
 * already is passed over. Nothing is of a folder whose revocations are others than were recorded. Faults:
 * FAULT_STATUS_FORGED.
 */
export async function carryStore(
  { store, usedApprovals }: MigrationSource,
  into: StoreImport,
  letters: KeptLetters,
  onCarried: OnCarried,
): Promise<void> {
  const read = store.readOut();
  // A fleet seals what it is given, and with it what it is not: scopes that have no rows any more too.
  for (const scope of await read.scopes()) await assertRecorded(store, scope);
  const { counts } = await read.survey();
  for await (const tenant of allOf((page) => store.listTenants(page))) {
    await carryTenant(store, into, tenant);
  }
  let done = 0;
  for await (const { order } of rowsOf((after, limit) => read.orders(after, limit))) {
    const { allowListId } = order;
    const file =
      allowListId === undefined ? {} : { allowListFile: read.allowListFile(allowListId) };
    await into.putOrder({ order, ...file });
    onCarried('orders', (done += 1), counts.orders);
  }
  let chunks = 0;
  for await (const { seq, batch } of rowsOf((after, limit) => read.batches(after, limit))) {
    const endedAtMs = batch.completedAtMs ?? batch.createdAtMs;
    await into.putBatch(batch, async function* () {
      for await (const chunk of chunksOf(read, seq)) {
        yield importedOf(chunk, endedAtMs, letters);
        onCarried('chunks', (chunks += 1), counts.chunks);
      }
    });
  }
  const journal = await into.journal();
  let decisions = 0;
  for await (const decision of inOrderOfDecision(read)) {
    await journal.add(decision);
    onCarried('verdicts', (decisions += 1), counts.verdicts);
  }
  await journal.finish();
  for await (const { chunk, index, status } of statusesOf(read)) {
    await into.putStatus(chunk.tenant, chunk.batchId, index, status);
  }
  await carryRevocations(read, into);
  for await (const entry of auditEntriesOf(store)) await into.putAuditEntry(entry);
  for await (const { operation } of rowsOf((after, limit) => read.massOperations(after, limit))) {
    await into.putMassOperation(
      carriedOperation(operation),
      frozenPagesOf(store, operation),
      outcomesOf(store, operation),
    );
  }
  for (const used of usedApprovals) await into.putUsedApprovals(used);
  await into.putIssuanceTime(await store.lastIssuanceMs());
}

/** Rows of a scope are behind each other. */
async function carryRevocations(read: StoreReadOut, into: StoreImport): Promise<void> {
  let open: { readonly scope: CrlScope; readonly rows: RevocationImport } | undefined;
  for await (const row of revocationsOf(read)) {
    const { scope } = row;
    if (open?.scope.issuer !== scope.issuer || open.scope.shard !== scope.shard) {
      await open?.rows.finish();
      open = { scope, rows: into.revocations(scope) };
    }
    await open.rows.add(row);
  }
  await open?.rows.finish();
}

/** Listing all rows of a scope checks them. */
async function assertRecorded(store: MigrationSource['store'], scope: CrlScope): Promise<void> {
  const pages = listScope(store, scope, { changedSince: 0 });
  while ((await pages.next()).done !== true);
}

async function carryTenant(
  store: MigrationSource['store'],
  into: StoreImport,
  tenant: TenantId,
): Promise<void> {
  const credentials = await store.listCredentials(tenant);
  // When it was opened is told nowhere; its first credential is of that time.
  await into.putTenant(tenant, credentials[0]?.createdAtMs ?? 0);
  for (const credential of credentials) await into.putCredential(credential);
  for await (const profile of allOf((page) => store.listProfiles(tenant, page))) {
    await into.putProfile(profile);
  }
}

async function* chunksOf(read: StoreReadOut, batchSeq: number): AsyncGenerator<ReadChunk> {
  let after = -1;
  for (;;) {
    const chunks = await read.chunks(batchSeq, after, chunksAtOnce);
    yield* chunks;
    if (chunks.length < chunksAtOnce) return;
    after = chunks.at(-1)?.registration.chunkNumber ?? after;
  }
}

export async function* statusesOf(read: StoreReadOut): AsyncGenerator<ReadStatus> {
  let after = { seq: 0, index: -1 };
  for (;;) {
    const statuses = await read.statuses(after.seq, after.index, rowsAtOnce);
    yield* statuses;
    const last = statuses.at(-1);
    if (last === undefined) return;
    after = { seq: last.batchSeq, index: last.index };
  }
}

/** Rows of all scopes, released ones too. */
export async function* revocationsOf(read: StoreReadOut): AsyncGenerator<ReadRevocation> {
  let after: RevocationPlace | undefined;
  for (;;) {
    const rows = await read.revocations(after, rowsAtOnce);
    yield* rows;
    after = rows.at(-1)?.place;
    if (after === undefined) return;
  }
}

export async function* auditEntriesOf(store: AuditStore): AsyncGenerator<ChainedAuditEntry> {
  let after = 0;
  for (;;) {
    const entries = await store.listAudit({ limit: rowsAtOnce, after });
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined) return;
    after = last.sequence;
  }
}

/** The pages of an operation's frozen selection. Faults: FAULT_STORE_CORRUPT where one is not stored. */
export async function* frozenPagesOf(
  store: Pick<MassOperationStore, 'frozenPage'>,
  operation: MassOperation,
): AsyncGenerator<readonly FrozenBatch[]> {
  for (let page = 0; page * frozenPageBatches < operation.frozenBatches; page += 1) {
    const batches = await store.frozenPage(operation, page);
    if (batches.length === 0) {
      const { operationId } = operation;
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `page ${String(page)} of the selection of operation '${operationId}' is not stored`,
      );
    }
    yield batches;
  }
}

/** What became of its chunks so far. */
export async function* outcomesOf(
  store: Pick<MassOperationStore, 'listOutcomes'>,
  operation: MassOperation,
): AsyncGenerator<ChunkOutcome> {
  let after: ChunkPlace | undefined;
  for (;;) {
    const from = after === undefined ? {} : { after };
    const outcomes = await store.listOutcomes(operation, { limit: rowsAtOnce, ...from });
    yield* outcomes;
    after = outcomes.at(-1);
    if (after === undefined) return;
  }
}

/**
 * Jobs are not carried: what ran goes on where it was as soon as somebody resumes it. What was about to end,
 * or to be paused, does so there.
 */
export function carriedOperation(operation: MassOperation): MassOperation {
  const { decided, ...carried } = operation;
  const goesOn = decided === undefined || decided.state === 'running';
  return operation.state === 'running' && goesOn ? { ...carried, state: 'paused' } : operation;
}

function importedOf(chunk: ReadChunk, endedAtMs: number, letters: KeptLetters) {
  const { registration, isConfirmed, segment, deadLetter } = chunk;
  return {
    registration,
    isConfirmed,
    ...(segment === undefined ? {} : { segment: terminalIn(segment, endedAtMs) }),
    ...(deadLetter === undefined
      ? {}
      : {
          deadLetter: { ...deadLetter, place: letters.get(chunkIdOf(deadLetter.chunk)) ?? '' },
        }),
  };
}

/** What publish stored with it follows from the segment; but for the profile's name, which is not kept. */
function terminalIn(segment: Uint8Array, publishedAtMs: number) {
  const issued = decodeIssuedChunk(segment);
  const received = decodeReceivedHead(issued.received);
  const verdict = decodeVerdict(issued.verdict);
  return terminalOf(received, verdict, issued, segment, '', publishedAtMs);
}
