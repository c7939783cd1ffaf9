import { hkdfSync } from 'node:crypto';
import type { ChunkRef, Lane } from '@certmill/domain';
import {
  assertSealedMatches,
  forgedRecord,
  openRecord,
  recordHeaders,
  sealRecord,
  topics,
  type ReceivedPins,
  type SealKey,
  type SealedAttributes,
} from '@certmill/events';
import type { Clock, DeliveredRecord, EventRecord } from '@certmill/ports';

/** The way from one stage to the next: what the first seals, only the next accepts (DESIGN 3.6). */
export interface Hop {
  /**
   * Topic and record, ready for `EventLog.append`.
   * @param traceparent of the stage that seals (W3C Trace Context); not bound by the seal.
   */
  seal(
    chunk: SealedAttributes,
    value: Uint8Array,
    traceparent?: string,
  ): [topic: string, record: EventRecord];
  /** Throws FAULT_EVENT_FORGED on what the stage before did not make. */
  open(record: DeliveredRecord): SealedAttributes;
}

export interface Hops {
  /** ingest -> validate */
  readonly received: Hop;
  /** validate -> sign */
  readonly validated: Hop;
  /** sign -> publish */
  readonly issued: Hop;
}

export type HopName = keyof Hops;

/** A hop's keys: one seals, all listed open; two are listed during a rotation. */
export interface HopKeys {
  readonly sealing: SealKey;
  readonly opening: ReadonlyMap<string, Uint8Array>;
}

const byName = {
  received: { source: '/certmill/ingest', topics: topics.requestsReceived },
  validated: { source: '/certmill/validate', topics: topics.requestsValidated },
  issued: { source: '/certmill/sign', topics: topics.certificatesIssued },
} as const satisfies Record<HopName, { source: string; topics: Record<Lane, string> }>;

/**
 * The hops of a pipeline. One without keys is a hop in memory: its records are passed on as the
 * objects they are, within one process, and nothing that was not sealed here can be opened (ADR 0009).
 */
export function createHops(keys: Readonly<Partial<Record<HopName, HopKeys>>>, clock: Clock): Hops {
  const hop = (name: HopName): Hop => {
    const own = keys[name];
    return own === undefined ? memoryHop(name, clock) : keyedHop(name, own, clock);
  };
  return { received: hop('received'), validated: hop('validated'), issued: hop('issued') };
}

function keyedHop(name: HopName, keys: HopKeys, clock: Clock): Hop {
  return {
    seal(chunk, value, traceparent) {
      const description = descriptionOf(name, chunk, clock, traceparent);
      const headers = sealRecord({ ...description, value, key: keys.sealing });
      return [description.topic, { headers, key: recordKeyOf(chunk), value }];
    },
    open: (record) => openRecord(record, record.topic, keys.opening),
  };
}

/**
 * Its seal is the headers' identity: an HMAC under a key in the same memory would say no more, and
 * cost three passes over each chunk.
 */
function memoryHop(name: HopName, clock: Clock): Hop {
  const sealed = new WeakMap<
    EventRecord['headers'],
    { readonly topic: string; readonly attributes: SealedAttributes; readonly value: Uint8Array }
  >();
  return {
    seal(chunk, value, traceparent) {
      const description = descriptionOf(name, chunk, clock, traceparent);
      const { topic, attributes } = description;
      const headers = recordHeaders(description);
      sealed.set(headers, { topic, attributes, value });
      return [topic, { headers, key: recordKeyOf(chunk), value }];
    },
    open(record) {
      const own = sealed.get(record.headers);
      if (own?.topic !== record.topic || own.value !== record.value) {
        throw forgedRecord('it was not sealed in this process');
      }
      return own.attributes;
    },
  };
}

function descriptionOf(
  name: HopName,
  attributes: SealedAttributes,
  clock: Clock,
  traceparent: string | undefined,
) {
  const { source, topics: byLane } = byName[name];
  return {
    topic: byLane[attributes.lane],
    attributes,
    source,
    timeMs: clock.nowMs(),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Keys of a tenant's bulk records: they hash into at most so many partitions of a topic. */
const keysPerTenant = 8;

/**
 * Of the event log. Bulk: shuffle sharding, a tenant's chunks are in a few partitions only, and others
 * in others; interactive: anywhere. Records of one chunk have one key.
 */
function recordKeyOf({ tenant, batchId, chunkNumber, lane }: SealedAttributes): string {
  return lane === 'bulk' ? `${tenant}.${String(chunkNumber % keysPerTenant)}` : batchId;
}

/**
 * The hop keys of a data folder, HKDF-SHA256 of its secret: only what goes through the log on disk
 * needs one.
 */
export function hopKeysOf(secret: Uint8Array): Readonly<Partial<Record<HopName, HopKeys>>> {
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'certmill hop received v1', 32));
  return {
    received: { sealing: { id: 'folder', secret: key }, opening: new Map([['folder', key]]) },
  };
}

/** Refuses a record whose headers speak of another chunk than its value. */
export function assertSameChunk<T extends ReceivedPins>(
  attributes: SealedAttributes,
  received: T,
): T {
  assertSealedMatches(attributes, received);
  return received;
}

const wholeNumber = /^\d{1,9}$/;

/** The chunk that a record's headers name; undefined where they name none. Not checked against the seal. */
export function chunkRefOfHeaders(headers: Readonly<Record<string, string>>): ChunkRef | undefined {
  const { certmill_tenant: tenant, ce_subject: batchId, certmill_chunk: chunkNumber } = headers;
  if (tenant === undefined || batchId === undefined || !wholeNumber.test(chunkNumber ?? ''))
    return undefined;
  return { tenant, batchId, chunkNumber: Number(chunkNumber) };
}
