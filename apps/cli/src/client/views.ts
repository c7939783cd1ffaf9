import { z } from 'zod';
import type { ChainedAuditEntry } from '@certmill/domain';

/** What the server tells of its objects; members that a newer server adds are passed through. */
export const orderSchema = z.looseObject({
  orderId: z.string(),
  profile: z.string(),
  issuer: z.string(),
  quota: z.number(),
  reserved: z.number(),
  requiresAllowList: z.boolean(),
  renews: z.boolean(),
  devices: z.number(),
  state: z.string(),
  expiresAt: z.string(),
});
export type OrderView = z.infer<typeof orderSchema>;

export const calendarSchema = z.looseObject({
  authorities: z.array(
    z.looseObject({
      subject: z.string(),
      notAfter: z.string(),
      daysLeft: z.int(),
      issuers: z.array(z.string()),
      revoked: z.string().optional(),
    }),
  ),
  /** As `caCrls`. */
  delegates: z
    .array(
      z.looseObject({
        kind: z.string(),
        issuer: z.string(),
        subject: z.string(),
        /** This and `toReplace`: absent from servers before they told it. */
        notBefore: z.string().default(''),
        notAfter: z.string(),
        daysLeft: z.int(),
        renewsItself: z.boolean(),
        toReplace: z.boolean().default(false),
      }),
    )
    .default([]),
  /** Absent from servers before there were any. */
  caCrls: z
    .array(
      z.looseObject({
        ca: z.string(),
        subject: z.string(),
        nextUpdate: z.string(),
        daysLeft: z.int(),
      }),
    )
    .default([]),
  /** As `caCrls`. */
  renewals: z
    .array(
      z.looseObject({
        orderId: z.string(),
        profile: z.string(),
        issuer: z.string(),
        expiresAt: z.string(),
        daysLeft: z.int(),
        devices: z.int().optional(),
        issued: z.int(),
      }),
    )
    .default([]),
  devices: z.array(
    z.looseObject({
      month: z.string(),
      profile: z.string(),
      issuer: z.string(),
      certificates: z.int(),
      revoked: z.string().optional(),
    }),
  ),
  /** Where it was asked for; absent from servers before there was any. */
  toRenew: z
    .looseObject({
      isWhole: z.boolean(),
      certificates: z.array(
        z.looseObject({
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
export type CalendarView = z.infer<typeof calendarSchema>;

export const issuerSchema = z.looseObject({
  issuer: z.string(),
  takesOrders: z.boolean(),
  takesUploads: z.boolean(),
  refusal: z.string().optional(),
});
export type IssuerView = z.infer<typeof issuerSchema>;

export const crlStateSchema = z.looseObject({
  issuer: z.string(),
  shards: z.int(),
  missing: z.int(),
  behind: z.int(),
  full: z.looseObject({ behind: z.int(), entries: z.int() }),
});
export type CrlStateView = z.infer<typeof crlStateSchema>;

export const demandedCrlsSchema = z.looseObject({
  issuer: z.string(),
  kind: z.enum(['full', 'delta']),
  crls: z.int(),
});
export type DemandedCrlsView = z.infer<typeof demandedCrlsSchema>;

export const batchSchema = z.looseObject({
  batchId: z.string(),
  orderId: z.string(),
  state: z.enum(['uploading', 'processing', 'complete', 'cancelled', 'broken-off']),
  nextIndex: z.int().min(0),
  total: z.int().min(0).optional(),
  completedAt: z.string().optional(),
  counters: z.looseObject({
    accepted: z.int(),
    issued: z.int(),
    rejected: z.int(),
    cancelled: z.int(),
    deadLettered: z.int(),
    inFlight: z.int(),
  }),
});
export type BatchView = z.infer<typeof batchSchema>;

export const profileSchema = z.looseObject({
  name: z.string(),
  version: z.number(),
  hash: z.string(),
  addedAt: z.string(),
});
export type ProfileView = z.infer<typeof profileSchema>;

export const certificateSchema = z.looseObject({
  serialNumber: z.string(),
  batchId: z.string(),
  index: z.number(),
  deviceId: z.string(),
  status: z.string(),
  issuerRevoked: z.string().optional(),
  certificate: z.string(),
});
export type CertificateView = z.infer<typeof certificateSchema>;

export const deadLetterSchema = z.looseObject({
  chunk: z.int().min(0),
  requests: z.int(),
  state: z.string(),
  code: z.string(),
  detail: z.string(),
  stage: z.string(),
  at: z.string(),
});
export type DeadLetterView = z.infer<typeof deadLetterSchema>;

export const changesSchema = z.looseObject({
  changed: z.int(),
  unchanged: z.int(),
  refused: z.int(),
  notFound: z.int(),
  pending: z.int(),
  items: z.array(
    z.looseObject({
      serialNumber: z.string().optional(),
      name: z.string().optional(),
      outcome: z.string(),
    }),
  ),
});
export type ChangesView = z.infer<typeof changesSchema>;

export const massDeviceSchema = z.looseObject({
  deviceId: z.string(),
  serialNumber: z.string(),
  notAfter: z.string(),
  state: z.string(),
});
export type MassDeviceView = z.infer<typeof massDeviceSchema>;

export const massResultSchema = z.looseObject({
  batchId: z.string(),
  index: z.int(),
  outcome: z.string(),
  reason: z.string().optional(),
  deviceId: z.string().optional(),
  serialNumber: z.string().optional(),
});
export type MassResultView = z.infer<typeof massResultSchema>;

export const massOperationSchema = z.looseObject({
  operationId: z.string(),
  kind: z.string(),
  state: z.string(),
  selection: z.record(z.string(), z.unknown()),
  reason: z.string().optional(),
  issuer: z.string().optional(),
  profile: z.string().optional(),
  createdAt: z.string(),
  counts: z.looseObject({
    requests: z.int(),
    lookedAt: z.int(),
    selected: z.int(),
    pending: z.int(),
    changed: z.int(),
    unchanged: z.int(),
    refused: z.int(),
    submitted: z.int(),
    skipped: z.int(),
    issued: z.int(),
    rejected: z.int(),
    deadLettered: z.int(),
  }),
  /** Of a dry run; absent from servers before there were any. */
  reasons: z.record(z.string(), z.int()).optional(),
  etaSeconds: z.number().optional(),
  failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});
export type MassOperationView = z.infer<typeof massOperationSchema>;

export const auditEntrySchema = z.object({
  sequence: z.int(),
  hash: z.string(),
  atMs: z.int(),
  tenant: z.string().exactOptional(),
  actor: z.string(),
  action: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
/** Whole: its hash is over all of it. */
export type AuditEntryView = ChainedAuditEntry;

export const settledSchema = z.looseObject({ chunk: z.int(), outcome: z.string() });
export type SettledView = z.infer<typeof settledSchema>;

export const importSchema = z.looseObject({ devices: z.int() });

export const credentialSchema = z.looseObject({
  key: z.string(),
  tenant: z.string(),
  role: z.string(),
  label: z.string(),
});
export type CredentialView = z.infer<typeof credentialSchema>;

export function pageOf<Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{ items: z.ZodArray<Item>; next: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

/** A batch in which nothing can change any more. */
export function isFinished(batch: BatchView): boolean {
  return (
    batch.state === 'complete' ||
    (['cancelled', 'broken-off'].includes(batch.state) && batch.counters.inFlight === 0)
  );
}
