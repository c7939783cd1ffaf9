import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PackedMap } from './packed-map.js';
import { PageCache } from './page-cache.js';
import { startRunWriter } from './run-writer.js';

/**
 * What packed runs cost, run by hand: `node dist/packed-runs/packed-runs.bench.js [millions]`.
 * Prints one JSON object, times in microseconds per call unless named otherwise.
 */
const entries = Number(process.argv[2] ?? '1') * 1e6;
const questions = 100_000;
const directory = mkdtempSync(join(tmpdir(), 'certmill-bench-'));
const pageCache = new PageCache(8 * 1024 * 1024);
const writer = startRunWriter();
let map = new PackedMap({ directory, runs: [], writer, pageCache });

function randomKeys(count: number): Uint8Array {
  const keys = new Uint8Array(count * 16);
  for (let at = 0; at < keys.length; at += 65_536) randomFillSync(keys.subarray(at, at + 65_536));
  return keys;
}

const microsecondsPer = (count: number, startMs: number): number =>
  ((performance.now() - startMs) * 1000) / count;

const keys = randomKeys(entries);
let putMs = 0;
let flushMs = 0;
let mergeMs = 0;
let longestTurnMs = 0;
for (let put = 0; put < entries;) {
  const startMs = performance.now();
  for (const end = Math.min(entries, put + 4096); put < end; put += 1) {
    map.put(keys, put * 16, 1, put);
  }
  putMs += performance.now() - startMs;
  for (const due of ['flush', 'merge'] as const) {
    const workMs = performance.now();
    if (!map[`${due}Due`]) continue;
    const promise = due === 'flush' ? map.flush(put) : map.merge();
    longestTurnMs = Math.max(longestTurnMs, performance.now() - workMs);
    const change = await promise;
    if (due === 'flush') flushMs += performance.now() - workMs;
    else mergeMs += performance.now() - workMs;
    const adoptMs = performance.now();
    if (change !== undefined) map.adopt(change);
    longestTurnMs = Math.max(longestTurnMs, performance.now() - adoptMs);
  }
}

const value = { high: 0, low: 0 };
const absent = randomKeys(questions);
let found = 0;
let startMs = performance.now();
for (let i = 0; i < questions; i += 1) found += map.get(absent, i * 16, value) ? 1 : 0;
const absentLookUp = microsecondsPer(questions, startMs);
startMs = performance.now();
for (let i = 0; i < questions; i += 1) {
  found += map.get(keys, ((i * 7919) % entries) * 16, value) ? 1 : 0;
}
const presentLookUp = microsecondsPer(questions, startMs);

const { runs } = map;
const stats = map.stats();
await map.close();
startMs = performance.now();
map = new PackedMap({ directory, runs, writer, pageCache });
const openMs = performance.now() - startMs;
await map.close();
await writer.stop();
rmSync(directory, { recursive: true });
console.log(
  JSON.stringify({
    entries,
    found,
    put: (putMs * 1000) / entries,
    flush: (flushMs * 1000) / entries,
    merge: (mergeMs * 1000) / entries,
    longestTurnMs,
    absentLookUp,
    presentLookUp,
    openMs,
    ...stats,
  }),
);
