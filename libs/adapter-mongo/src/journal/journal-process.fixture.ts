import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rejectionCodeOf, type ChunkRef, type RejectionCode } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { PageCache, startRunWriter } from '@certmill/packed';
import type { Decision } from '@certmill/ports';
import { aBatch, aChunk } from '@certmill/ports/conformance';
import type {
  ClaimJournal,
  ClaimJournalOptions,
  JournalObserver,
  OrderTerms,
} from './claim-journal.js';
import type { JournalStorage } from './journal-storage.js';
import { startClaimJournal } from './start-claim-journal.js';

export const tenant = 'acme';
export const nowMs = 1_000_000;
export const secret = new Uint8Array(32).fill(7);
export const openOrder: OrderTerms = { quota: 1_000_000, expiresAtMs: 2_000_000, isClosed: false };

/** What a journal told its observer. */
export interface Told {
  folded: number;
  conflicts: number;
  ignored: number;
  readonly faults: string[];
}

export interface JournalProcess {
  readonly journal: ClaimJournal;
  readonly told: Told;
}

export interface JournalProcesses {
  start(storage: JournalStorage, changes?: Partial<ClaimJournalOptions>): JournalProcess;
  /** Stops and removes all of them. */
  end(): Promise<void>;
}

/** Journals of several processes, in one: each with a folder of its own, all with one run writer. */
export function journalProcesses(): JournalProcesses {
  const folder = mkdtempSync(join(tmpdir(), 'certmill-journal-'));
  const runWriter = startRunWriter();
  const started: ClaimJournal[] = [];
  return {
    start(storage, changes = {}) {
      const told: Told = { folded: 0, conflicts: 0, ignored: 0, faults: [] };
      const observer: JournalObserver = {
        folded: (_shard, entries) => (told.folded += entries),
        conflict: () => (told.conflicts += 1),
        ignored: () => (told.ignored += 1),
        fault: (fault) => told.faults.push(fault.code),
      };
      const journal = startClaimJournal({
        storage,
        shards: 1,
        secret,
        cacheDirectory: join(folder, String(started.length)),
        endsOf: (chunks) => Promise.resolve(chunks.map(() => undefined)),
        isHeld: (requests) => Promise.resolve(requests.map(() => false)),
        runWriter,
        pageCache: new PageCache(256 * 1024),
        observer,
        clock: { nowMs: () => nowMs },
        ...changes,
      });
      started.push(journal);
      return { journal, told };
    },
    async end() {
      await Promise.all(started.map((journal) => journal.stop(0)));
      await runWriter.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

export type Device = Parameters<typeof aChunk>[1][number];

/** A chunk of a batch of that name, as validate would have it decided. */
export function aDecision(
  batchName: string,
  devices: readonly Device[],
  changes: Partial<Decision> & { readonly chunkNumber?: number } = {},
): Decision {
  const { chunkNumber = 0, firstIndex = 0, ...rest } = changes;
  const batch = aBatch(tenant, batchName);
  const { decision } = aChunk(batch, devices, { chunkNumber, firstIndex });
  return { ...decision, nowMs, ...rest };
}

/** Codes of a verdict; undefined where a request was accepted. */
export function codesOf(verdict: Uint8Array): readonly (RejectionCode | undefined)[] {
  return decodeVerdict(verdict).codes.map(rejectionCodeOf);
}

export async function decideCodes(
  { journal }: JournalProcess,
  decision: Decision,
  order: OrderTerms = openOrder,
): Promise<readonly (RejectionCode | undefined)[]> {
  return codesOf(await journal.decide(decision, order, false));
}

export function refOf({ chunk }: Decision): ChunkRef {
  return chunk;
}
