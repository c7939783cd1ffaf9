import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeVerdict } from '@certmill/events';
import { PageCache, startRunWriter } from '@certmill/packed';
import type { Decision } from '@certmill/ports';
import type { ClaimJournal } from './claim-journal.js';
import { MemoryStorage } from './memory-storage.fixture.js';
import { startClaimJournal } from './start-claim-journal.js';

/**
 * What the claims journal costs the thread that owns it, without a network: run by hand,
 * `node dist/journal/claim-journal.bench.js [chunks [flush entries]]`. Chunks of 256 requests of new
 * devices, each with 60 octets of values. Prints one JSON object: microseconds of CPU of the thread per
 * request.
 */
const chunks = Number(process.argv[2] ?? '400');
const flushEntries = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
const requests = 256;
const folder = mkdtempSync(join(tmpdir(), 'certmill-journal-bench-'));
const runWriter = startRunWriter();
const order = { quota: 1e9, expiresAtMs: 2, isClosed: false };
let folders = 0;

function start(storage: MemoryStorage): ClaimJournal {
  folders += 1;
  return startClaimJournal({
    storage,
    shards: 1,
    secret: randomBytes(32),
    cacheDirectory: join(folder, String(folders)),
    endsOf: (all) => Promise.resolve(all.map(() => undefined)),
    isHeld: (requests) => Promise.resolve(requests.map(() => false)),
    runWriter,
    pageCache: new PageCache(8 * 1024 * 1024),
    clock: { nowMs: () => 1 },
    ...(flushEntries === undefined ? {} : { flushEntries }),
  });
}

const udid = (of: string) => createHash('sha256').update(of).digest();

function aDecision(run: string, n: number): Decision {
  const numbers = Array.from({ length: requests }, (_, i) => n * requests + i);
  const deviceIds = numbers.map((device) => `${run}-device-${String(device)}`);
  const udids = Buffer.concat(deviceIds.map(udid));
  const codes = numbers.map(() => 0);
  const details = numbers.map(() => '');
  const values = numbers.map(() => Buffer.alloc(60, 1));
  const draft = encodeVerdict({ codes, details, deviceIds, udids, valuesPerRequest: 1, values });
  return {
    chunk: { tenant: 'acme', batchId: '0'.repeat(26), chunkNumber: n },
    orderId: 'order',
    profileName: 'idevid',
    firstIndex: n * requests,
    nowMs: 1,
    receivedAtMs: 1,
    draft,
    codes,
    udids,
    deviceIds,
  };
}

/** CPU of this thread alone: runs are written by another one. */
async function cpuPerRequest(count: number, work: () => Promise<unknown>): Promise<number> {
  const begun = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(begun);
  return Math.round(((user + system) / count) * 100) / 100;
}

/** As many in flight as a validate process has. */
async function decideAll(journals: readonly ClaimJournal[], run: string): Promise<number> {
  const decisions = Array.from({ length: chunks }, (_, n) => aDecision(run, n));
  const inFlight = 16;
  const loops = journals.flatMap((journal) => Array<ClaimJournal>(inFlight).fill(journal));
  return cpuPerRequest(chunks * requests, () =>
    Promise.all(
      loops.map(async (journal) => {
        for (let next = decisions.pop(); next !== undefined; next = decisions.pop()) {
          await journal.decide(next, order, false);
        }
      }),
    ),
  );
}

async function measure(run: string, writers: number) {
  const storage = new MemoryStorage();
  const journals = Array.from({ length: writers }, () => start(storage));
  const decide = await decideAll(journals, run);
  const entries = storage.entries.size;
  const reader = start(storage);
  const fold = await cpuPerRequest(chunks * requests, () => reader.reservedUnder('acme', 'order'));
  await Promise.all([...journals, reader].map((journal) => journal.stop(1_000)));
  return { decide, fold, entries, inserts: storage.calls.get('insert') };
}

await measure('warm-up', 1);
const oneWriter = await measure('one', 1);
// Both fold all entries in this one thread: twice the fold is in the figure.
const twoContending = await measure('two', 2);
await runWriter.stop();
rmSync(folder, { recursive: true });
console.log(JSON.stringify({ chunks, requests: chunks * requests, oneWriter, twoContending }));
