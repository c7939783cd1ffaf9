import { MAX_INPUT_BYTES } from '@certmill/der';
import type { Profile } from '@certmill/domain';
import type { ReceivedChunk } from '@certmill/events';
import type { Examination } from '@certmill/ports';
import { examinationPlan } from './examination-plan.js';
import { examineRequest, udidBytes } from './examine-request.js';
import type { CsrValues } from './requested-subject.js';
import type { Blocklist } from './weak-keys/blocklist.js';

export interface ExaminationLimits {
  /** Of one request's DER; default 64 KiB. */
  readonly maxRequestBytes: number;
}

export interface ExaminationOptions {
  /** Absent: no key is known to be compromised. */
  readonly blocklist?: Blocklist | undefined;
  readonly limits?: ExaminationLimits | undefined;
}

/**
 * Examines all requests of a chunk. A request that ingest refused keeps its rejection. Pure: the
 * same chunk, profile and blocklist always give the same result. The result shares no memory with
 * `received`.
 */
export function examineChunk(
  received: ReceivedChunk,
  profile: Profile,
  { blocklist, limits }: ExaminationOptions = {},
): Examination {
  const plan = examinationPlan(profile);
  const maxRequestBytes = limits?.maxRequestBytes ?? MAX_INPUT_BYTES;
  const count = received.requestLengths.length;
  const udids = Buffer.alloc(count * udidBytes);
  const codes: number[] = [];
  const details: string[] = [];
  const deviceIds: string[] = [];
  const csrValues: CsrValues[] = [];
  let start = 0;
  for (let index = 0; index < count; index += 1) {
    const end = start + (received.requestLengths[index] ?? 0);
    const uploadedId = received.deviceIds[index] ?? '';
    const rejection = received.rejections[index] ?? 0;
    if (rejection === 0) {
      const request = examineRequest(
        received.requestsDer,
        start,
        end,
        uploadedId,
        plan,
        blocklist,
        maxRequestBytes,
        udids,
        index * udidBytes,
      );
      codes.push(request.code);
      details.push(request.detail);
      deviceIds.push(request.deviceId);
      csrValues.push(request.csrValues);
    } else {
      codes.push(rejection);
      details.push(received.rejectionDetails[index] ?? '');
      deviceIds.push(uploadedId);
      csrValues.push([]);
    }
    start = end;
  }
  return { codes, details, udids, deviceIds, csrValues };
}
