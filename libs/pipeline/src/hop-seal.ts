import { hkdfSync } from 'node:crypto';
import type { ChunkRef, Lane } from '@certmill/domain';
import {
  assertSealedMatches,
  openRecord,
  sealRecord,
  topics,
  type ReceivedChunk,
  type SealKey,
  type SealedAttributes,
} from '@certmill/events';
import type { Clock, DeliveredRecord, EventRecord } from '@certmill/ports';

/** The way from one stage to the next: what the first seals, only the next accepts (DESIGN 3.6). */
export interface Hop {
  /** Topic and record, ready for `EventLog.append`. */
  seal(chunk: SealedAttributes, value: Uint8Array): [topic: string, record: EventRecord];
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

export function createHops(keys: Readonly<Record<HopName, HopKeys>>, clock: Clock): Hops {
  const hop = (name: HopName): Hop => ({
    seal(chunk, value) {
      const { source } = byName[name];
      const topic = byName[name].topics[chunk.lane];
      const { sealing } = keys[name];
      const attributes = {
        topic,
        attributes: chunk,
        value,
        key: sealing,
        source,
        timeMs: clock.nowMs(),
      };
      const key = `${chunk.batchId}.${String(chunk.chunkNumber)}`;
      return [topic, { headers: sealRecord(attributes), key, value }];
    },
    open: (record) => openRecord(record, record.topic, keys[name].opening),
  });
  return { received: hop('received'), validated: hop('validated'), issued: hop('issued') };
}

/** The hop keys of a data folder: HKDF-SHA256 of its secret, a key per hop. */
export function hopKeysOf(secret: Uint8Array): Readonly<Record<HopName, HopKeys>> {
  const derive = (name: HopName): HopKeys => {
    const key = new Uint8Array(hkdfSync('sha256', secret, '', `certmill hop ${name} v1`, 32));
    return { sealing: { id: 'folder', secret: key }, opening: new Map([['folder', key]]) };
  };
  return { received: derive('received'), validated: derive('validated'), issued: derive('issued') };
}

/** Refuses a record whose headers speak of another chunk than its value. */
export function assertSameChunk(
  attributes: SealedAttributes,
  received: ReceivedChunk,
): ReceivedChunk {
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
