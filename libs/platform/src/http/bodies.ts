import { z } from 'zod';
import { revocationReasons } from '@certmill/domain';

/** JSON bodies as the routes take them; unknown names are refused. */

/** Of calls that an installation with a quorum wants approved. */
const approval = {
  /** Of exactly this call: files of `certmill ceremony approve`. */
  approvals: z.array(z.looseObject({})).max(255).default([]),
  /** True: does nothing, and tells in a 403 what is to be approved. */
  propose: z.boolean().default(false),
};

export const newProfileSchema = z.strictObject({
  /** The profile file. */
  yaml: z.string(),
  ...approval,
});

export const newOrderSchema = z.strictObject({
  orderId: z.string(),
  profile: z.string(),
  issuer: z.string().optional(),
  quota: z.int().min(1),
  expiresAt: z.iso.datetime({ offset: true }),
  /** False only where any device may have a certificate. */
  requiresAllowList: z.boolean().default(true),
  /** True where its certificates replace those that the devices hold under the same profile name. */
  renews: z.boolean().default(false),
});

export const demandedCrlsSchema = z.strictObject({
  kind: z.enum(['full', 'delta']).default('full'),
});

export const newTenantSchema = z.strictObject({ tenant: z.string() });

export const newCredentialSchema = z.strictObject({
  role: z.enum(['admin', 'operator', 'factory', 'auditor']),
  label: z.string().max(200).default(''),
});

const revocation = {
  reason: z.enum(revocationReasons).default('unspecified'),
  /** When the key is known to have been lost. */
  invalidityDate: z.iso.datetime({ offset: true }).optional(),
};

export const revocationSchema = z.strictObject(revocation);

const names = z.array(z.string().max(512)).max(10_000).default([]);

export const revocationsSchema = z.strictObject({
  ...revocation,
  ...approval,
  /** True: ends a hold instead. */
  release: z.boolean().default(false),
  /** True: tells what would become of them. */
  dryRun: z.boolean().default(false),
  batchId: z.string().max(64).optional(),
  orderId: z.string().max(200).optional(),
  issuer: z.string().max(200).optional(),
  serialNumbers: names,
  udids: names,
  deviceIds: names,
});

const massOperation = {
  ...approval,
  /** Chosen by the caller: asking twice is asking once. */
  operationId: z.string(),
  /** Certificates that meet every part given; at least one. */
  selection: z.strictObject({
    orderId: z.string().max(200).optional(),
    batchId: z.string().max(64).optional(),
    /** Of the device on the allow-list of its order that is in force when its chunk is looked at. */
    site: z.string().max(200).optional(),
    profile: z.string().max(200).optional(),
    issuer: z.string().max(200).optional(),
    /** Those of devices that hold a good certificate of this order too. */
    renewedBy: z.string().max(200).optional(),
  }),
  /** Certificates a second at most. */
  ratePerSecond: z.number().min(0.01).max(1_000_000).optional(),
  /** True: tells what would become of them, and begins nothing. */
  dryRun: z.boolean().default(false),
};

const reissue = {
  ...massOperation,
  /** What the new certificates are issued under. */
  issuer: z.string().max(200),
  profile: z.string().max(200),
  /** Of the order that they are issued under; in 90 days where absent. */
  expiresAt: z.iso.datetime({ offset: true }).optional(),
};

export const newMassOperationSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('revoke'), ...massOperation, ...revocation }),
  z.strictObject({ kind: z.literal('reissue'), ...reissue }),
  z.strictObject({ kind: z.literal('renew'), ...reissue }),
]);
