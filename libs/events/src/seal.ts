import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  CertmillError,
  chunkIdOf,
  type BatchId,
  type ChunkRef,
  type Lane,
  type OrderId,
} from '@certmill/domain';
import type { ReceivedPins } from './chunks.js';

/**
 * The seal of a hop (DESIGN 3.6): HMAC-SHA256 of the stage that made a record, so that the next stage
 * need not trust the broker. Attributes travel as CloudEvents 1.0 headers (Kafka protocol binding,
 * binary content mode), the seal and what CloudEvents has no name for as `certmill_*`.
 */
export interface SealKey {
  /** Printable ASCII; tells the keys of a rotation apart. */
  readonly id: string;
  /** At least 32 octets. */
  readonly secret: Uint8Array;
}

/** What the seal binds to the value. `ce_source`, `ce_time` and `traceparent` are not bound. */
export interface SealedAttributes extends ChunkRef {
  readonly orderId: OrderId;
  readonly batchId: BatchId;
  readonly lane: Lane;
  /** Hex. */
  readonly profileHash: string;
  readonly issuer: string;
  readonly signBeforeMs: number;
}

export interface RecordToDescribe {
  readonly topic: string;
  readonly attributes: SealedAttributes;
  /** The stage that makes the record, a URI reference such as `/certmill/validate`. */
  readonly source: string;
  readonly timeMs: number;
  /** W3C Trace Context. */
  readonly traceparent?: string;
}

export interface RecordToSeal extends RecordToDescribe {
  readonly value: Uint8Array;
  readonly key: SealKey;
}

/** What of a record the seal is about. */
export interface SealedRecord {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Uint8Array;
}

/** Bound into every seal: another framing gets another name. */
const framing = 'certmill-seal-1';
const contentType = 'application/protobuf';
const printableAscii = /^[\x20-\x7e]+$/;
const sealPattern = /^[0-9a-f]{64}$/;
const wholeNumber = /^(?:0|[1-9][0-9]{0,15})$/;
const minSecretBytes = 32;

/** CloudEvents `type`: the topic without its lane. */
function eventTypeOf(topic: string): string {
  return topic.replace(/\.(?:bulk|interactive)$/, '');
}

/**
 * HMAC-SHA256 over the framing's name, every attribute and the value, each preceded by its length in
 * 4 octets: no two different records have the same framing.
 */
function macOf(
  topic: string,
  attributes: SealedAttributes,
  value: Uint8Array,
  secret: Uint8Array,
): Buffer {
  const fields = [
    framing,
    topic,
    attributes.tenant,
    attributes.orderId,
    attributes.batchId,
    String(attributes.chunkNumber),
    attributes.lane,
    attributes.profileHash,
    attributes.issuer,
    String(attributes.signBeforeMs),
  ].map((field) => Buffer.from(field, 'utf8'));
  const framed = Buffer.allocUnsafe(fields.reduce((sum, field) => sum + 4 + field.length, 4));
  let at = 0;
  for (const field of fields) {
    at = framed.writeUInt32BE(field.length, at);
    at += field.copy(framed, at);
  }
  framed.writeUInt32BE(value.length, at);
  return createHmac('sha256', secret).update(framed).update(value).digest();
}

/**
 * The headers of a record without a seal: CloudEvents attributes and the attributes that a seal binds.
 * Throws INVALID_INPUT where an attribute is empty or not printable ASCII.
 */
export function recordHeaders(record: RecordToDescribe): Readonly<Record<string, string>> {
  const { topic, attributes, source, timeMs, traceparent } = record;
  const headers = {
    ce_specversion: '1.0',
    ce_id: chunkIdOf(attributes),
    ce_source: source,
    ce_type: eventTypeOf(topic),
    ce_subject: attributes.batchId,
    ce_time: new Date(timeMs).toISOString(),
    'content-type': contentType,
    ...(traceparent === undefined ? {} : { traceparent }),
    certmill_tenant: attributes.tenant,
    certmill_order: attributes.orderId,
    certmill_chunk: String(attributes.chunkNumber),
    certmill_lane: attributes.lane,
    certmill_profile: attributes.profileHash,
    certmill_issuer: attributes.issuer,
    certmill_signbefore: String(attributes.signBeforeMs),
  };
  for (const [name, text] of Object.entries(headers)) assertPrintable(name, text);
  return headers;
}

/**
 * The headers of a record, with its seal. Throws as `recordHeaders`, and CONFIG_INVALID where the
 * secret is short.
 */
export function sealRecord(record: RecordToSeal): Readonly<Record<string, string>> {
  const { topic, attributes, value, key } = record;
  if (key.secret.length < minSecretBytes) {
    throw new CertmillError('CONFIG_INVALID', `seal key '${key.id}' is under 32 octets`);
  }
  assertPrintable('certmill_sealkey', key.id);
  return {
    ...recordHeaders(record),
    certmill_sealkey: key.id,
    certmill_seal: macOf(topic, attributes, value, key.secret).toString('hex'),
  };
}

function assertPrintable(name: string, text: string): void {
  if (!printableAscii.test(text)) {
    throw new CertmillError('INVALID_INPUT', `header ${name} must be printable ASCII`);
  }
}

/**
 * Checks the seal of a record that came by `topic` and gives the attributes that it binds.
 * @param keys secrets by key id: two during a rotation.
 * Throws FAULT_EVENT_FORGED on anything that the stage before cannot have made.
 */
export function openRecord(
  record: SealedRecord,
  topic: string,
  keys: ReadonlyMap<string, Uint8Array>,
): SealedAttributes {
  const { headers, value } = record;
  const header = (name: string): string => {
    const text = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (text === undefined || text === '') throw forgedRecord(`header ${name} is missing`);
    return text;
  };
  const number = (name: string): number => {
    const text = header(name);
    if (!wholeNumber.test(text)) throw forgedRecord(`header ${name} is not a number`);
    return Number(text);
  };
  const secret = keys.get(header('certmill_sealkey'));
  if (secret === undefined) throw forgedRecord('its key is not known here');
  const lane = header('certmill_lane');
  if (lane !== 'bulk' && lane !== 'interactive') throw forgedRecord('its lane is unknown');
  const attributes: SealedAttributes = {
    tenant: header('certmill_tenant'),
    orderId: header('certmill_order'),
    batchId: header('ce_subject'),
    chunkNumber: number('certmill_chunk'),
    lane,
    profileHash: header('certmill_profile'),
    issuer: header('certmill_issuer'),
    signBeforeMs: number('certmill_signbefore'),
  };
  const expected = macOf(topic, attributes, value, secret);
  const seal = header('certmill_seal');
  // The pattern first: decoding hex passes over what is no hex at its end.
  if (!sealPattern.test(seal) || !timingSafeEqual(Buffer.from(seal, 'hex'), expected)) {
    throw forgedRecord('the seal does not match');
  }
  const agrees =
    header('ce_specversion') === '1.0' &&
    header('ce_type') === eventTypeOf(topic) &&
    header('ce_id') === chunkIdOf(attributes) &&
    header('content-type') === contentType &&
    (topic === eventTypeOf(topic) || topic.endsWith(`.${lane}`));
  if (!agrees) throw forgedRecord('its attributes disagree');
  return attributes;
}

/** Refuses a record whose attributes are not those of the chunk in it. Throws FAULT_EVENT_FORGED. */
export function assertSealedMatches(attributes: SealedAttributes, received: ReceivedPins): void {
  const agrees =
    attributes.tenant === received.tenant &&
    attributes.orderId === received.orderId &&
    attributes.batchId === received.batchId &&
    attributes.chunkNumber === received.chunkNumber &&
    attributes.lane === received.lane &&
    attributes.profileHash === received.profileHash &&
    attributes.issuer === received.issuer &&
    attributes.signBeforeMs === received.signBeforeMs;
  if (!agrees) throw forgedRecord('its attributes are not those of its chunk');
}

/** The fault of a record that the stage before cannot have made. */
export function forgedRecord(why: string): CertmillError {
  return new CertmillError('FAULT_EVENT_FORGED', `the record was refused: ${why}`);
}
