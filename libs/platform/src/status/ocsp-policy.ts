import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import type { PresignPolicy } from '@certmill/pipeline';

const presign = z.enum(['none', 'all']);
const presignedHours = z
  .int()
  .min(3)
  .max(30 * 24);

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
  presign: presign.default('none'),
  /** From thisUpdate to nextUpdate of what is signed ahead; made anew when a third is left. */
  presignedHours: presignedHours.default(7 * 24),
  /** The same for issuers of their own, by name; what is absent is as for all. */
  issuers: z
    .record(
      z.string().min(1),
      z
        .strictObject({ presign: presign.optional(), presignedHours: presignedHours.optional() })
        .refine(
          (own) => own.presign !== 'none' || own.presignedHours === undefined,
          'presignedHours is for what is signed ahead: not with presign: none',
        ),
    )
    .default({}),
});

export type OcspPolicy = z.infer<typeof ocspPolicySchema>;

type Presigned = Pick<OcspPolicy, 'presign' | 'presignedHours' | 'issuers'>;

/** Whether anybody's responses are signed ahead. */
export function presignsAny({ presign: ofAll, issuers }: Presigned): boolean {
  return ofAll === 'all' || Object.values(issuers).some((own) => own.presign === 'all');
}

/** Whose responses are signed ahead, and for how long. */
export function presignPolicyOf(policy: Presigned): PresignPolicy {
  const hours = [policy, ...Object.values(policy.issuers)].map((each) => each.presignedHours ?? 0);
  return {
    lifetimeSecondsOf(issuer) {
      const own = Object.hasOwn(policy.issuers, issuer) ? policy.issuers[issuer] : undefined;
      if ((own?.presign ?? policy.presign) === 'none') return undefined;
      return (own?.presignedHours ?? policy.presignedHours) * 3_600;
    },
    longestSeconds: Math.max(...hours) * 3_600,
  };
}

/** CONFIG_INVALID where an issuer is named that is not there: a slip would sign for nobody. */
export function assertIssuersOfPolicy({ issuers }: Presigned, names: readonly string[]): void {
  const reasons = Object.keys(issuers)
    .filter((name) => !names.includes(name))
    .map((name) => `ocsp.issuers.${name}: there is no issuer '${name}'`);
  if (reasons.length > 0) throw new CertmillError('CONFIG_INVALID', reasons.join('\n'));
}
