import type { AnswerPorts } from './answer-ocsp-request.js';
import type { PresignPolicy } from './presign-chunk.js';

/**
 * Of a store, the responses of issuers whose are signed ahead by the policy: others that lie there tell of
 * no change any more.
 */
export function presignedUnder(
  policy: Pick<PresignPolicy, 'lifetimeSecondsOf'>,
  store: NonNullable<AnswerPorts['presigned']>,
): NonNullable<AnswerPorts['presigned']> {
  return {
    async findPair(batchId, index) {
      const pair = await store.findPair(batchId, index);
      return pair && policy.lifetimeSecondsOf(pair.issuer) === undefined ? undefined : pair;
    },
    getResponder: (id) => store.getResponder(id),
  };
}
