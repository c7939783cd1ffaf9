import { decodeIssuedChunk, decodeReceivedHead, decodeValidatedChunk } from '@certmill/events';
import type { ConsumingStage } from '@certmill/pipeline';
import type { DeliveredRecord } from '@certmill/ports';

/** How many requests the chunk of a record has. MUST be one that the stage has handled: it decodes. */
export function requestsOf(stage: ConsumingStage, { value }: DeliveredRecord): number {
  switch (stage) {
    case 'validate':
      return decodeReceivedHead(value).count;
    case 'sign':
      return decodeReceivedHead(decodeValidatedChunk(value).received).count;
    case 'publish':
      return decodeReceivedHead(decodeIssuedChunk(value).received).count;
  }
}
