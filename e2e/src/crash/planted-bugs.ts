import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedStore } from '@certmill/adapter-embedded';
import { chunkIdOf } from '@certmill/domain';
import { decodeReceivedChunk, encodeReceivedChunk, topics } from '@certmill/events';
import { createHops, hopKeysOf } from '@certmill/pipeline';
import type { EventLog } from '@certmill/ports';
import { patchedStore } from './patched-store.js';

/**
 * Bugs that the crash run must see, each one an invariant broken on purpose:
 * - overwrite: the last terminal record of a chunk counts, not the first;
 * - clock: receivedAt is read from the clock when a chunk is processed, not pinned at ingest;
 * - claims: devices and keys are not claimed.
 */
export const plantedBugs = ['overwrite', 'clock', 'claims'] as const;
export type PlantedBug = (typeof plantedBugs)[number];

export function bugAroundStore(store: EmbeddedStore, bug: PlantedBug, data: string): EmbeddedStore {
  if (bug === 'overwrite') return overwritingStore(store, join(data, 'overwritten'));
  if (bug === 'claims') return claimlessStore(store);
  return store;
}

export function bugAroundLog(log: EventLog, bug: PlantedBug, data: string): EventLog {
  return bug === 'clock' ? clockReadingLog(log, data) : log;
}

function overwritingStore(store: EmbeddedStore, directory: string): EmbeddedStore {
  mkdirSync(directory, { recursive: true });
  return patchedStore(store, {
    async chunkState(chunk) {
      const state = await store.chunkState(chunk);
      return state && { ...state, ended: false };
    },
    async publish(terminal) {
      const outcome = await store.publish(terminal);
      if (outcome === 'already-published') {
        writeFileSync(join(directory, chunkIdOf(terminal.chunk)), terminal.segment);
      }
      return 'published';
    },
    getSegment(chunk) {
      const file = join(directory, chunkIdOf(chunk));
      return existsSync(file) ? Promise.resolve(readFileSync(file)) : store.getSegment(chunk);
    },
  });
}

function claimlessStore(store: EmbeddedStore): EmbeddedStore {
  return patchedStore(store, {
    decide(decision) {
      // Claims are taken of devices and keys that nobody else ever asks for.
      const chunkId = chunkIdOf(decision.chunk);
      const deviceIds = decision.codes.map((_, i) => `${chunkId}/${i}`);
      const udids = Buffer.concat(deviceIds.map((id) => hash('sha256', id, 'buffer')));
      return store.decide({ ...decision, deviceIds, udids });
    },
  });
}

function clockReadingLog(log: EventLog, data: string): EventLog {
  const clock = { nowMs: () => Date.now() };
  const hops = createHops(hopKeysOf(readFileSync(join(data, 'hop-secret'))), clock);
  const received: readonly string[] = Object.values(topics.requestsReceived);
  return {
    append: (topic, record) => log.append(topic, record),
    lag: (topic, group) => log.lag(topic, group),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    subscribe(options) {
      if (!received.includes(options.topic)) return log.subscribe(options);
      return log.subscribe({
        ...options,
        handler(record) {
          const late = { ...decodeReceivedChunk(record.value), receivedAtMs: clock.nowMs() };
          const [, sealed] = hops.received.seal(late, encodeReceivedChunk(late));
          return options.handler({ ...record, ...sealed });
        },
      });
    },
  };
}
