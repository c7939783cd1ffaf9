import { z } from 'zod';
import { outcomeReasons, revocationReasons } from '@certmill/domain';
import { deviceStates, resultOutcomes } from '@certmill/pipeline';

/** The answers as clients see them; the e2e tests parse every answer with these. */

const count = z.int().min(0);
const time = z.iso.datetime();

export const pageOf = (item: z.ZodType): z.ZodObject =>
  z.object({ items: z.array(item), next: z.string().optional() });

export const calendarSchema = z.object({
  authorities: z.array(
    z.object({
      subject: z.string(),
      serialNumber: z.string(),
      notAfter: z.iso.datetime(),
      daysLeft: z.int(),
      issuers: z.array(z.string()),
      revoked: z.string().optional(),
    }),
  ),
  delegates: z.array(
    z.object({
      kind: z.enum(['ocsp-responder', 'crl-signer']),
      issuer: z.string(),
      subject: z.string(),
      serialNumber: z.string(),
      notBefore: z.iso.datetime(),
      notAfter: z.iso.datetime(),
      daysLeft: z.int(),
      renewsItself: z.boolean(),
      toReplace: z.boolean(),
    }),
  ),
  caCrls: z.array(
    z.object({
      ca: z.string(),
      subject: z.string(),
      nextUpdate: z.iso.datetime(),
      daysLeft: z.int(),
    }),
  ),
  renewals: z.array(
    z.object({
      orderId: z.string(),
      profile: z.string(),
      issuer: z.string(),
      expiresAt: z.iso.datetime(),
      daysLeft: z.int(),
      devices: z.int().optional(),
      issued: z.int(),
    }),
  ),
  devices: z.array(
    z.object({
      month: z.string(),
      profile: z.string(),
      issuer: z.string(),
      certificates: z.int(),
      revoked: z.string().optional(),
    }),
  ),
  toRenew: z
    .object({
      isWhole: z.boolean(),
      certificates: z.array(
        z.object({
          month: z.string(),
          profile: z.string(),
          issuer: z.string(),
          certificates: z.int(),
          daysLeft: z.int(),
        }),
      ),
    })
    .optional(),
});

export const issuerSchema = z.strictObject({
  issuer: z.string(),
  takesOrders: z.boolean(),
  takesUploads: z.boolean(),
  refusal: z.string().optional(),
});

const crlsOfKindSchema = z.strictObject({
  crls: count,
  behind: count,
  entries: count,
  changes: count,
});

export const crlStateSchema = z.strictObject({
  issuer: z.string(),
  shards: count,
  missing: count,
  behind: count,
  changes: count,
  full: crlsOfKindSchema,
  delta: crlsOfKindSchema,
  thisUpdate: time.optional(),
  nextUpdate: time.optional(),
});

export const demandedCrlsViewSchema = z.strictObject({
  issuer: z.string(),
  kind: z.enum(['full', 'delta']),
  crls: count,
});

export const orderSchema = z.strictObject({
  orderId: z.string(),
  profile: z.string(),
  profileHash: z.string(),
  issuer: z.string(),
  quota: count,
  reserved: count,
  requiresAllowList: z.boolean(),
  renews: z.boolean(),
  devices: count,
  state: z.enum(['open', 'closed', 'expired']),
  createdAt: time,
  expiresAt: time,
});

export const batchSchema = z.strictObject({
  batchId: z.string(),
  orderId: z.string(),
  lane: z.enum(['bulk', 'interactive']),
  state: z.enum(['uploading', 'processing', 'complete', 'cancelled', 'broken-off']),
  createdAt: time,
  completedAt: time.optional(),
  cancelledAt: time.optional(),
  brokenOffAt: time.optional(),
  nextIndex: count,
  total: count.optional(),
  counters: z.strictObject({
    accepted: count,
    issued: count,
    rejected: count,
    cancelled: count,
    deadLettered: count,
    inFlight: count,
  }),
  ratePerSecond: z.number(),
  etaSeconds: count.optional(),
});

export const deadLetterSchema = z.strictObject({
  chunk: count,
  firstIndex: count,
  requests: count,
  state: z.enum(['dead', 'retried']),
  code: z.string(),
  detail: z.string(),
  stage: z.string(),
  at: time,
  retriedAt: time.optional(),
});

export const settledSchema = z.strictObject({
  chunk: count,
  outcome: z.enum(['retried', 'dropped', 'ended']),
});

export const certificateSchema = z.strictObject({
  serialNumber: z.string(),
  batchId: z.string(),
  index: count,
  deviceId: z.string(),
  status: z.enum(['good', 'held', 'revoked']),
  revocation: z
    .strictObject({
      reason: z.enum(revocationReasons),
      revokedAt: time,
      invalidityDate: time.optional(),
    })
    .optional(),
  issuerRevoked: z
    .string()
    .optional()
    .describe('Why its issuer, or a CA above it, is revoked: then it is worth nothing itself'),
  certificate: z.string(),
});

export const changedItemSchema = z.strictObject({
  serialNumber: z.string().optional(),
  deviceId: z.string().optional(),
  name: z.string().optional(),
  outcome: z.enum(['changed', 'unchanged', 'refused', 'not-found', 'pending']),
});

export const changedCertificateSchema = changedItemSchema.extend({ pending: count });

export const changesSchema = z.strictObject({
  isDryRun: z.boolean(),
  changed: count,
  unchanged: count,
  refused: count,
  notFound: count,
  pending: count,
  items: z.array(changedItemSchema),
});

export const massDeviceSchema = z.strictObject({
  deviceId: z.string(),
  serialNumber: z.string(),
  notAfter: time,
  state: z.enum(deviceStates),
});

export const massResultSchema = z.strictObject({
  batchId: z.string(),
  index: count,
  outcome: z.enum(resultOutcomes),
  reason: z.string().optional(),
  deviceId: z.string().optional(),
  serialNumber: z.string().optional(),
});

export const massOperationSchema = z.strictObject({
  operationId: z.string(),
  kind: z.enum(['revoke', 'reissue', 'renew']),
  state: z.enum(['running', 'paused', 'done', 'cancelled', 'failed', 'dry-run']),
  selection: z.strictObject({
    orderId: z.string().optional(),
    batchId: z.string().optional(),
    site: z.string().optional(),
    profile: z.string().optional(),
    issuer: z.string().optional(),
    renewedBy: z.string().optional(),
  }),
  reason: z.enum(revocationReasons).optional(),
  invalidityDate: time.optional(),
  issuer: z.string().optional(),
  profile: z.string().optional(),
  expiresAt: time.optional(),
  maxPerSecond: z.number().optional(),
  createdAt: time,
  createdBy: z.string(),
  endedAt: time.optional(),
  counts: z.strictObject({
    requests: count,
    lookedAt: count,
    selected: count,
    pending: count,
    changed: count,
    unchanged: count,
    refused: count,
    submitted: count,
    skipped: count,
    issued: count,
    rejected: count,
    deadLettered: count,
  }),
  reasons: z.partialRecord(z.enum(outcomeReasons), count).optional(),
  ratePerSecond: z.number(),
  etaSeconds: count.optional(),
  failure: z.strictObject({ code: z.string(), message: z.string(), at: time }).optional(),
});

export const auditEntrySchema = z.strictObject({
  sequence: count,
  hash: z.string(),
  atMs: count,
  tenant: z.string().optional(),
  actor: z.string(),
  action: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export const enrolledSchema = z.strictObject({
  batchId: z.string(),
  deviceId: z.string(),
  serialNumber: z.string(),
  certificate: z.string(),
  chain: z.array(z.string()),
});

export const profileSchema = z.object({
  name: z.string(),
  version: z.int(),
  hash: z.string(),
  addedAt: time,
});

export const credentialSchema = z.strictObject({
  keyHash: z.string(),
  tenant: z.string(),
  role: z.enum(['admin', 'operator', 'factory', 'auditor']),
  label: z.string(),
  createdAtMs: count,
});

export const newKeySchema = credentialSchema
  .omit({ createdAtMs: true })
  .extend({ key: z.string() });
