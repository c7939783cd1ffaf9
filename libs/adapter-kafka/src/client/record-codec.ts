import type { DeliveredRecord, EventRecord } from '@certmill/ports';
import type { IHeaders, KafkaMessage, Message } from 'kafkajs';

/** At most what a record batch and a record have around keys, headers and values (Kafka's format v2). */
const batchOverhead = 61;
const recordOverhead = 40;
const fieldOverhead = 5;

/** An upper bound of what a record takes in a topic, for `max.message.bytes`, as a batch of its own. */
export function recordBytes({ headers, key, value }: EventRecord): number {
  let bytes = batchOverhead + recordOverhead + Buffer.byteLength(key) + value.length;
  for (const [name, text] of Object.entries(headers)) {
    bytes += 2 * fieldOverhead + Buffer.byteLength(name) + Buffer.byteLength(text);
  }
  return bytes;
}

export function messageOf({ headers, key, value }: EventRecord): Message {
  // kafkajs writes anything but a Buffer as text.
  const bytes = Buffer.isBuffer(value)
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { key, value: bytes, headers: { ...headers } };
}

/** The value is a view of all that was fetched with it: whoever keeps it for long copies it. */
export function recordOf(
  topic: string,
  partition: number,
  { key, value, headers, offset }: KafkaMessage,
): DeliveredRecord {
  return {
    topic,
    position: placeOf(partition, offset),
    headers: headersOf(headers ?? {}),
    key: key?.toString() ?? '',
    value: value ?? Buffer.alloc(0),
  };
}

function headersOf(headers: IHeaders): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const given = headers[name];
    const first = Array.isArray(given) ? given[0] : given;
    if (first !== undefined) texts[name] = first.toString();
  }
  return texts;
}

export interface Place {
  readonly partition: number;
  readonly offset: string;
}

const placePattern = /^(\d{1,9}):(\d{1,18})$/;

/** `partition:offset`, as positions and places are written. */
export function placeOf(partition: number, offset: string): string {
  return `${String(partition)}:${offset}`;
}

/** Undefined where the text is no place. */
export function parsePlace(text: string): Place | undefined {
  const [, partition, offset] = placePattern.exec(text) ?? [];
  return partition === undefined || offset === undefined
    ? undefined
    : { partition: Number(partition), offset: BigInt(offset).toString() };
}
