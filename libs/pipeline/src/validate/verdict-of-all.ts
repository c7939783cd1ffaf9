import { rejectionNumber, type RejectionCode } from '@certmill/domain';
import type { ReceivedChunk, Verdict } from '@certmill/events';

/** A verdict that rejects every request which ingest has not rejected: nothing is verified or claimed. */
export function verdictOfAll(
  received: ReceivedChunk,
  code: RejectionCode,
  detail: string,
): Verdict {
  const number = rejectionNumber(code);
  const { rejections, rejectionDetails } = received;
  return {
    codes: rejections.map((rejection) => (rejection === 0 ? number : rejection)),
    details: rejections.map((rejection, i) =>
      rejection === 0 ? detail : (rejectionDetails[i] ?? ''),
    ),
    deviceIds: received.deviceIds,
    udids: new Uint8Array(rejections.length * 32),
    valuesPerRequest: 0,
    values: [],
  };
}
