import { z } from 'zod';

/** JSON bodies as the routes take them; unknown names are refused. */

export const newOrderSchema = z.strictObject({
  orderId: z.string(),
  profile: z.string(),
  issuer: z.string().optional(),
  quota: z.int().min(1),
  expiresAt: z.iso.datetime({ offset: true }),
  /** False only where any device may have a certificate. */
  requiresAllowList: z.boolean().default(true),
});

export const newTenantSchema = z.strictObject({ tenant: z.string() });

export const newCredentialSchema = z.strictObject({
  role: z.enum(['admin', 'operator', 'factory', 'auditor']),
  label: z.string().max(200).default(''),
});
