import { isCertmillError } from '@certmill/domain';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';
import { recordBytes } from '../client/record-codec.js';

/**
 * What a dead letter may have beside the record that it is of. Topics of dead letters MUST take that
 * much more than those that the records come from: else one that fills its topic's limit is never buried.
 */
export const deadLetterOverheadBytes = 64 * 1024;

/** Why a record is a dead letter, and where it was. */
export interface DeadLetterCause {
  readonly topic: string;
  readonly group: string;
  readonly position: string;
  readonly code: string;
  readonly cause: string;
  /** Octets of a record that no topic takes with its cause: nothing of it but headers is kept. */
  readonly cutBytes?: number;
}

const maxCauseLength = 500;
const maxKeptHeaders = 40;
const maxKeptTextLength = 200;
const headerPrefix = 'certmill_dead_';
const causeNames = ['topic', 'group', 'position', 'code', 'cause'] as const;

/**
 * The record as it goes to a dead-letter topic: unchanged, with its cause in headers. One that is over
 * `maxBytes` then is cut: our appenders make none, so it is somebody else's.
 */
export function deadLetterOf(
  record: DeliveredRecord,
  group: string,
  cause: unknown,
  maxBytes: number,
): EventRecord {
  const why = {
    [`${headerPrefix}topic`]: record.topic,
    [`${headerPrefix}group`]: group,
    [`${headerPrefix}position`]: record.position,
    [`${headerPrefix}code`]: isCertmillError(cause) ? cause.code : 'FAULT_PROCESSING',
    [`${headerPrefix}cause`]: printable(cause instanceof Error ? cause.message : String(cause)),
  };
  const { key, value, headers } = recordOfDeadLetter(record);
  const whole = { key, value, headers: { ...headers, ...why } };
  const bytes = recordBytes(whole);
  if (bytes <= maxBytes) return whole;
  const kept = Object.entries(headers)
    .filter(([name, text]) => name.length + text.length <= maxKeptTextLength)
    .slice(0, maxKeptHeaders);
  return {
    key: key.slice(0, maxKeptTextLength),
    value: new Uint8Array(),
    headers: { ...Object.fromEntries(kept), ...why, [`${headerPrefix}cut`]: String(bytes) },
  };
}

/** The record as it was before it became a dead letter. */
export function recordOfDeadLetter({ headers, key, value }: EventRecord): EventRecord {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(headerPrefix));
  return { headers: Object.fromEntries(own), key, value };
}

/** What a dead letter's headers say of it; '' where somebody else has written it. */
export function causeOfDeadLetter({ headers }: Pick<EventRecord, 'headers'>): DeadLetterCause {
  const [topic, group, position, code, cause] = causeNames.map((name) => {
    return headers[headerPrefix + name] ?? '';
  });
  const cut = headers[`${headerPrefix}cut`];
  return {
    topic: topic ?? '',
    group: group ?? '',
    position: position ?? '',
    code: code ?? '',
    cause: cause ?? '',
    ...(cut === undefined ? {} : { cutBytes: Number(cut) }),
  };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxCauseLength);
}
