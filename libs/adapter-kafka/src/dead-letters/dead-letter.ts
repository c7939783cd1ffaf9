import { isCertmillError } from '@certmill/domain';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';

const maxCauseLength = 500;
const headerPrefix = 'certmill_dead_';

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

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxCauseLength);
}
