import { isCertmillError } from '@certmill/domain';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';

const maxCauseLength = 500;
const headerPrefix = 'certmill_dead_';
const placePattern = /^0:(\d{1,15})$/;

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

/** The record as it was before it became a dead letter. */
export function recordOfDeadLetter({ headers, key, value }: EventRecord): EventRecord {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(headerPrefix));
  return { headers: Object.fromEntries(own), key, value };
}

/** `partition:offset`, as positions are written. */
export function placeOf(offset: number): string {
  return `0:${String(offset)}`;
}

/** Undefined where the text is no place of this log. */
export function offsetOf(place: string): number | undefined {
  const offset = placePattern.exec(place)?.[1];
  return offset === undefined ? undefined : Number(offset);
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxCauseLength);
}
