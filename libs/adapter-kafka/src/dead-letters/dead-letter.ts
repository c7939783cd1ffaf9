import { isCertmillError } from '@certmill/domain';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';

const maxCauseLength = 500;
const headerPrefix = 'certmill_dead_';
/** Of a dead letter without its value, which is too large to be kept with its cause. */
const omittedHeader = `${headerPrefix}omitted`;
const maxKeptBytes = 1_024;
const maxKeptHeaders = 16;

/** So much larger than its record a dead letter may be. */
export const deadLetterRoomBytes = 64 * 1024;

/** The record as it goes to a dead-letter topic: unchanged, with its cause in headers. */
export function deadLetterOf(record: DeliveredRecord, group: string, cause: unknown): EventRecord {
  return {
    key: record.key,
    value: record.value,
    headers: {
      ...record.headers,
      [`${headerPrefix}topic`]: record.topic,
      [`${headerPrefix}group`]: group,
      [`${headerPrefix}position`]: record.position,
      [`${headerPrefix}code`]: isCertmillError(cause) ? cause.code : 'FAULT_PROCESSING',
      [`${headerPrefix}cause`]: printable(cause instanceof Error ? cause.message : String(cause)),
    },
  };
}

/** What is left of a dead letter that no topic takes: which record it was, and why it died. */
export function withoutValue({ headers, key, value }: EventRecord): EventRecord {
  const isSmall = ([name, text]: readonly [string, string]): boolean =>
    Buffer.byteLength(name) + Buffer.byteLength(text) <= maxKeptBytes;
  const all = Object.entries(headers);
  const own = all.filter(([name]) => name.startsWith(headerPrefix));
  const others = all.filter(([name]) => !name.startsWith(headerPrefix));
  return {
    key: Buffer.byteLength(key) <= maxKeptBytes ? key : '',
    value: new Uint8Array(0),
    headers: Object.fromEntries([
      ...others.filter(isSmall).slice(0, maxKeptHeaders),
      ...own,
      [omittedHeader, `${String(value.length)} octets`],
    ]),
  };
}

/** The record as it was before it became a dead letter; undefined where that was not kept. */
export function recordOfDeadLetter({ headers, key, value }: EventRecord): EventRecord | undefined {
  if (headers[omittedHeader] !== undefined) return undefined;
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(headerPrefix));
  return { headers: Object.fromEntries(own), key, value };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxCauseLength);
}
