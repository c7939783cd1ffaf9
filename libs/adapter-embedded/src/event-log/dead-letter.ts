import { isCertmillError } from '@certmill/domain';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';

const maxCauseLength = 500;

/** The record as it goes to a dead-letter topic: unchanged, with its cause in headers. */
export function deadLetterOf(record: DeliveredRecord, group: string, cause: unknown): EventRecord {
  return {
    key: record.key,
    value: record.value,
    headers: {
      ...record.headers,
      certmill_dead_topic: record.topic,
      certmill_dead_group: group,
      certmill_dead_position: record.position,
      certmill_dead_code: isCertmillError(cause) ? cause.code : 'FAULT_PROCESSING',
      certmill_dead_cause: printable(cause instanceof Error ? cause.message : String(cause)),
    },
  };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxCauseLength);
}
