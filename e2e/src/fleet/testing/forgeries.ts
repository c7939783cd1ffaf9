import { CertmillError, type FaultCode } from '@certmill/domain';
import {
  decodeIssuedChunk,
  decodeReceivedChunk,
  decodeValidatedChunk,
  encodeIssuedChunk,
  encodeReceivedChunk,
  encodeValidatedChunk,
  MessageWriter,
  topics,
} from '@certmill/events';
import { hopsOf, type FleetConfig } from '@certmill/fleet';
import type { Hop, HopName } from '@certmill/pipeline';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';
import type { Headers } from './intruder.js';

/** What somebody makes of genuine records, and what the stage that reads them says. */
export interface Forgery {
  readonly name: string;
  readonly code: FaultCode;
  readonly cause: RegExp;
  /** @param others another batch, order and tenant that are there. */
  make(genuine: DeliveredRecord, others: Others): ForgedRecord;
}

export interface Others {
  readonly batchId: string;
  readonly orderId: string;
  readonly tenant: string;
  /** The hop of the genuine record, with its keys. */
  readonly hop: Hop;
}

/** Where absent: the topic and the value of the genuine record. */
export interface ForgedRecord {
  readonly topic?: string;
  readonly headers: Headers;
  readonly value?: Uint8Array;
}

/** What `ofNewerMinor` adds. */
export const newerText = 'of a later release';

const noMatch = /the seal does not match$/;

const hopOfTopic: Readonly<Record<string, HopName>> = Object.fromEntries(
  (
    [
      ['received', topics.requestsReceived],
      ['validated', topics.requestsValidated],
      ['issued', topics.certificatesIssued],
    ] as const
  ).flatMap(([hop, byLane]) => Object.values(byLane).map((topic) => [topic, hop])),
);

export function hopNameOf(topic: string): HopName {
  const name = hopOfTopic[topic];
  if (name === undefined) throw new CertmillError('NOT_FOUND', `${topic} is of no hop`);
  return name;
}

/** The hop of a topic with the keys of the files, as whoever has stolen them would have it. */
export function hopOf(topic: string, config: FleetConfig): Hop {
  const name = hopNameOf(topic);
  return hopsOf([name], config, { nowMs: () => Date.now() })[name];
}

/** The same record with another value under a seal that is right. */
export function sealedAgain(genuine: DeliveredRecord, hop: Hop, value: Uint8Array): EventRecord {
  const [, record] = hop.seal(hop.open(genuine), value);
  return record;
}

/** The value as a later minor of the contract may write it: with fields that nobody here knows. */
export function ofNewerMinor(value: Uint8Array): Uint8Array {
  const unknown = new MessageWriter().number(1_000, 7).text(1_001, newerText).finish();
  return Buffer.concat([value, unknown]);
}

/** The value as that of a chunk with another number. */
function renumbered(topic: string, value: Uint8Array, chunkNumber: number): Uint8Array {
  const other = (received: Uint8Array): Uint8Array =>
    encodeReceivedChunk({ ...decodeReceivedChunk(received), chunkNumber });
  switch (hopNameOf(topic)) {
    case 'received':
      return other(value);
    case 'validated': {
      const validated = decodeValidatedChunk(value);
      return encodeValidatedChunk({ ...validated, received: other(validated.received) });
    }
    case 'issued': {
      const issued = decodeIssuedChunk(value);
      return encodeIssuedChunk({ ...issued, received: other(issued.received) });
    }
  }
}

const unregisteredChunk = 9_999;

function otherLaneOf(topic: string): string {
  return topic.endsWith('.bulk')
    ? topic.replace(/bulk$/, 'interactive')
    : topic.replace(/interactive$/, 'bulk');
}

/** The topic of another hop, of the same lane. */
function otherHopOf(topic: string): string {
  const [from, to] = topic.includes(topics.requestsReceived.bulk.replace(/bulk$/, ''))
    ? [topics.requestsReceived, topics.requestsValidated]
    : hopNameOf(topic) === 'validated'
      ? [topics.requestsValidated, topics.certificatesIssued]
      : [topics.certificatesIssued, topics.requestsReceived];
  return topic === from.bulk ? to.bulk : to.interactive;
}

/** A genuine record with other headers. */
function withHeaders(
  name: string,
  change: (headers: Headers, others: Others) => Headers,
  cause = noMatch,
): Forgery {
  return {
    name,
    code: 'FAULT_EVENT_FORGED',
    cause,
    make: ({ headers }, others) => ({ headers: { ...headers, ...change(headers, others) } }),
  };
}

function without(name: string): Forgery {
  return {
    name: `a record without ${name}`,
    code: 'FAULT_EVENT_FORGED',
    cause: new RegExp(`header ${name} is missing$`),
    make({ headers }) {
      const left = Object.entries(headers).filter(([other]) => other !== name);
      return { headers: Object.fromEntries(left) };
    },
  };
}

const withBrokerOnly: readonly Forgery[] = [
  withHeaders('a seal that is made up', () => ({ certmill_seal: 'ab'.repeat(32) })),
  withHeaders('a seal that is no seal', () => ({ certmill_seal: 'x'.repeat(64) })),
  withHeaders(
    'a key id that nobody has',
    () => ({ certmill_sealkey: 'intruder' }),
    /its key is not known here$/,
  ),
  {
    name: 'a value without any header',
    code: 'FAULT_EVENT_FORGED',
    cause: /header certmill_sealkey is missing$/,
    make: () => ({ headers: {} }),
  },
  without('certmill_seal'),
  without('certmill_tenant'),
  without('certmill_signbefore'),
  withHeaders('a copy for another tenant', (_, { tenant }) => ({ certmill_tenant: tenant })),
  withHeaders('a copy for another order', (_, { orderId }) => ({ certmill_order: orderId })),
  withHeaders('a copy for another batch', ({ certmill_chunk = '' }, { batchId }) => ({
    ce_subject: batchId,
    ce_id: `${batchId}.${certmill_chunk}`,
  })),
  withHeaders('a copy for another chunk', ({ ce_subject = '' }) => ({
    certmill_chunk: '1',
    ce_id: `${ce_subject}.1`,
  })),
  withHeaders('a copy for another issuer', () => ({ certmill_issuer: 'other' })),
  withHeaders('a copy for another profile', () => ({ certmill_profile: 'cd'.repeat(32) })),
  withHeaders('a copy with more time to sign', ({ certmill_signbefore = '' }) => ({
    certmill_signbefore: `${certmill_signbefore}0`,
  })),
  withHeaders(
    'an event of the next major',
    ({ ce_type = '' }) => ({ ce_type: ce_type.replace(/v1$/, 'v2') }),
    /its attributes disagree$/,
  ),
  withHeaders(
    'another content type',
    () => ({ 'content-type': 'application/json' }),
    /its attributes disagree$/,
  ),
  {
    name: 'one bit of the value changed',
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make({ headers, value }) {
      const changed = Uint8Array.from(value);
      const middle = changed.length >> 1;
      changed[middle] = (changed[middle] ?? 0) ^ 1;
      return { headers, value: changed };
    },
  },
  {
    name: 'an octet after the value',
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make: ({ headers, value }) => ({ headers, value: Buffer.concat([value, Buffer.of(0)]) }),
  },
  {
    name: 'no value',
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make: ({ headers }) => ({ headers, value: new Uint8Array() }),
  },
  {
    name: "a record moved into the other lane's topic",
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make: ({ topic, headers }) => ({ topic: otherLaneOf(topic), headers }),
  },
  {
    name: "a record moved into the other lane's topic, with that lane's name",
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make({ topic, headers }) {
      const other = otherLaneOf(topic);
      const lane = other.endsWith('.bulk') ? 'bulk' : 'interactive';
      return { topic: other, headers: { ...headers, certmill_lane: lane } };
    },
  },
  {
    name: "a record moved into another hop's topic",
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make: ({ topic, headers }) => ({ topic: otherHopOf(topic), headers }),
  },
  {
    name: "a record moved into another hop's topic, with that hop's type",
    code: 'FAULT_EVENT_FORGED',
    cause: noMatch,
    make({ topic, headers }) {
      const other = otherHopOf(topic);
      return {
        topic: other,
        headers: { ...headers, ce_type: other.replace(/\.(?:bulk|interactive)$/, '') },
      };
    },
  },
];

/** What not even a stage with its keys can make the next one do. */
const withHopKeys: readonly Forgery[] = [
  {
    name: 'attributes of another order under a right seal',
    code: 'FAULT_EVENT_FORGED',
    cause: /its attributes are not those of its chunk$/,
    make(genuine, { hop, orderId }) {
      const [, { headers }] = hop.seal({ ...hop.open(genuine), orderId }, genuine.value);
      return { headers };
    },
  },
  {
    name: 'a value that is no chunk under a right seal',
    code: 'FAULT_EVENT_UNDECODABLE',
    cause: /Chunk/,
    make(genuine, { hop }) {
      const value = Buffer.from('no chunk at all');
      return { headers: sealedAgain(genuine, hop, value).headers, value };
    },
  },
  {
    name: 'half a chunk under a right seal',
    code: 'FAULT_EVENT_UNDECODABLE',
    cause: /Chunk/,
    make(genuine, { hop }) {
      const value = genuine.value.subarray(0, genuine.value.length >> 1);
      return { headers: sealedAgain(genuine, hop, value).headers, value };
    },
  },
  {
    name: 'a chunk that was never registered under a right seal',
    code: 'FAULT_PROCESSING',
    cause: /registered/,
    make(genuine, { hop }) {
      const value = renumbered(genuine.topic, genuine.value, unregisteredChunk);
      const attributes = { ...hop.open(genuine), chunkNumber: unregisteredChunk };
      const [, { headers }] = hop.seal(attributes, value);
      return { headers, value };
    },
  },
];

export const forgeries: readonly Forgery[] = [...withBrokerOnly, ...withHopKeys];
