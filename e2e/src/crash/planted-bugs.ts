import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chunkIdOf, rejectionNumber } from '@certmill/domain';
import {
  decodeReceivedChunk,
  decodeValidatedChunk,
  decodeVerdict,
  encodeReceivedChunk,
  encodeValidatedChunk,
  groups,
  topics,
} from '@certmill/events';
import type { Hop } from '@certmill/pipeline';
import type { IssuanceStore } from '@certmill/platform';
import type { DeliveredRecord, EventLog, EventRecord } from '@certmill/ports';
import { patchedStore } from './patched-store.js';

/**
 * Bugs that the crash run must see, each one an invariant broken on purpose:
 * - overwrite: the last terminal record of a chunk counts, not the first;
 * - clock: receivedAt is read from the clock when a chunk is processed, not pinned at ingest;
 * - claims: devices and keys are not claimed;
 * - quota: what the store finds to be over an order's quota is issued all the same.
 */
export const plantedBugs = ['overwrite', 'clock', 'claims', 'quota'] as const;
/**
 * Those that the fault run of a fleet must see:
 * - early-commit: publish lets an offset move before the effect is durable.
 */
export const plantedFleetBugs = [...plantedBugs, 'early-commit'] as const;
export type PlantedBug = (typeof plantedFleetBugs)[number];

/** Longer than a consumer's commit interval. */
const effectDelayMs = 1_000;

export function bugAroundStore<T extends IssuanceStore>(
  store: T,
  bug: PlantedBug,
  data: string,
): T {
  if (bug === 'overwrite') return overwritingStore(store, join(data, 'overwritten')) as T;
  if (bug === 'claims') return claimlessStore(store) as T;
  if (bug === 'quota') return overgrantingStore(store) as T;
  return store;
}

/** @param received The hop from ingest to validate, with its keys. */
export function bugAroundLog(log: EventLog, bug: PlantedBug, received: () => Hop): EventLog {
  if (bug !== 'clock') return log;
  const hop = received();
  return rereadingLog(log, Object.values(topics.requestsReceived), ({ value }) => {
    const late = readNow(value);
    return hop.seal(decodeReceivedChunk(late), late)[1];
  });
}

/**
 * The same for a sign of its own process: what validate did once stays done.
 * @param validated The hop from validate to sign, with its keys.
 */
export function bugAroundSignLog(log: EventLog, bug: PlantedBug, validated: () => Hop): EventLog {
  if (bug !== 'clock') return log;
  const hop = validated();
  return rereadingLog(log, Object.values(topics.requestsValidated), ({ value }) => {
    const chunk = decodeValidatedChunk(value);
    const late = readNow(chunk.received);
    return hop.seal(
      decodeReceivedChunk(late),
      encodeValidatedChunk({ ...chunk, received: late }),
    )[1];
  });
}

/** For publish: what it has in hand counts as done. */
export function bugAroundPublishLog(log: EventLog, bug: PlantedBug): EventLog {
  if (bug !== 'early-commit') return log;
  return {
    append: (topic, record) => log.append(topic, record),
    lag: (topic, group) => log.lag(topic, group),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    subscribe(options) {
      if (options.group !== groups.publish) return log.subscribe(options);
      return log.subscribe({
        ...options,
        handler(record) {
          setTimeout(() => void options.handler(record), effectDelayMs);
          return Promise.resolve();
        },
      });
    },
  };
}

function readNow(received: Uint8Array): Uint8Array {
  return encodeReceivedChunk({ ...decodeReceivedChunk(received), receivedAtMs: Date.now() });
}

function rereadingLog(
  log: EventLog,
  topicsToChange: readonly string[],
  change: (record: DeliveredRecord) => EventRecord,
): EventLog {
  return {
    append: (topic, record) => log.append(topic, record),
    lag: (topic, group) => log.lag(topic, group),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    subscribe(options) {
      if (!topicsToChange.includes(options.topic)) return log.subscribe(options);
      return log.subscribe({
        ...options,
        handler: (record) => options.handler({ ...record, ...change(record) }),
      });
    },
  };
}

function overwritingStore(store: IssuanceStore, directory: string): IssuanceStore {
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

function claimlessStore(store: IssuanceStore): IssuanceStore {
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

function overgrantingStore(store: IssuanceStore): IssuanceStore {
  const overQuota = rejectionNumber('ORDER_QUOTA_EXCEEDED');
  return patchedStore(store, {
    async decide(decision) {
      const verdict = await store.decide(decision);
      // The store says no, and nobody listens.
      return decodeVerdict(verdict).codes.includes(overQuota) ? decision.draft : verdict;
    },
  });
}
