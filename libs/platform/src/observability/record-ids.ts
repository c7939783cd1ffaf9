import { isName, type Lane } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';

/** What a record's headers say it is about. */
export interface RecordIds {
  readonly tenant?: string;
  readonly batch?: string;
  readonly chunk?: number;
  readonly lane?: Lane;
}

const batchIdPattern = /^[0-9a-f]{26}$/;
const chunkNumberPattern = /^\d{1,8}$/;

/**
 * Only ids that look like ids: whoever writes into a topic chooses the headers, and the seal is not
 * checked here.
 */
export function recordIds({ headers }: Pick<EventRecord, 'headers'>): RecordIds {
  const {
    certmill_tenant: tenant = '',
    ce_subject: batch = '',
    certmill_chunk: chunk = '',
    certmill_lane: lane,
  } = headers;
  return {
    ...(isName(tenant) ? { tenant } : {}),
    ...(batchIdPattern.test(batch) ? { batch } : {}),
    ...(chunkNumberPattern.test(chunk) ? { chunk: Number(chunk) } : {}),
    ...(lane === 'bulk' || lane === 'interactive' ? { lane } : {}),
  };
}
