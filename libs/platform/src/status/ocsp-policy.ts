import { z } from 'zod';

/** How a validation authority answers. Every field has a default; unknown keys are refused. */
export const ocspPolicySchema = z.strictObject({
  /**
   * `echo`: a request with a nonce is signed while its client waits, where a responder's key is here;
   * `ignore`: it is answered as if it had none (RFC 9654 2.1).
   */
  nonce: z.enum(['echo', 'ignore']).default('echo'),
  /** From thisUpdate to nextUpdate of what is signed while its client waits. */
  answerSeconds: z
    .int()
    .min(60)
    .max(7 * 86_400)
    .default(3_600),
  /** Life of the responders' certificates; renewed when a third is left. */
  responderDays: z.int().min(1).max(90).default(30),
  /** `all`: every certificate's responses are signed ahead, for authorities without a key. */
  presign: z.enum(['none', 'all']).default('none'),
  /** From thisUpdate to nextUpdate of what is signed ahead; made anew when a third is left. */
  presignedHours: z
    .int()
    .min(3)
    .max(30 * 24)
    .default(7 * 24),
});

export type OcspPolicy = z.infer<typeof ocspPolicySchema>;
