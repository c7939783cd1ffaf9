import { z } from 'zod';
import type { CrlPolicy } from '@certmill/pipeline';

const hourMs = 3_600_000;

/** How long CRLs are good for. A full one is replaced by every change, and at half of its life. */
export const crlConfigSchema = z
  .strictObject({
    /** From thisUpdate to nextUpdate of a full CRL. */
    lifetimeHours: z
      .int()
      .min(1)
      .max(24 * 366)
      .default(24 * 7),
    /** The same of delta CRLs: changes then go into these. None are made where absent. */
    deltaLifetimeHours: z
      .int()
      .min(1)
      .max(24 * 366)
      .optional(),
    /** Until then CRLs of a clock that was ahead are replaced: whoever sets it says that the clock is right now. */
    replaceFutureUntil: z.iso.datetime({ offset: true }).optional(),
  })
  .refine(({ lifetimeHours, deltaLifetimeHours = 0 }) => deltaLifetimeHours <= lifetimeHours, {
    path: ['deltaLifetimeHours'],
    message: 'must not be above lifetimeHours',
  });

export type CrlConfig = z.infer<typeof crlConfigSchema>;

export function crlPolicyOf(config: CrlConfig): CrlPolicy {
  const { lifetimeHours, deltaLifetimeHours, replaceFutureUntil } = config;
  return {
    lifetimeMs: lifetimeHours * hourMs,
    ...(deltaLifetimeHours === undefined ? {} : { deltaLifetimeMs: deltaLifetimeHours * hourMs }),
    ...(replaceFutureUntil === undefined
      ? {}
      : { replacesFutureUntilMs: Date.parse(replaceFutureUntil) }),
  };
}
