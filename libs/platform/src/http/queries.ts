import { z } from 'zod';
import { maxRequestsPerBatch } from '@certmill/domain';
import { deviceStates, resultOutcomes } from '@certmill/pipeline';
import { downloadFormats } from './download-formats.js';

/** Queries as the routes take them: texts in, typed values out; unknown names are refused. */

const count = z
  .string()
  .regex(/^\d{1,8}$/, 'must be a whole number')
  .transform(Number);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const page = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number from 1 to 1000')
    .optional(),
  cursor: z.string().max(1_000).optional(),
};

export const pageQuerySchema = z.strictObject(page);

/** One state only, where it is given. */
export const massDeviceQuerySchema = z.strictObject({
  ...page,
  state: z.enum(deviceStates).optional(),
});

/** One outcome only, where it is given. */
export const massResultQuerySchema = z.strictObject({
  ...page,
  outcome: z.enum(resultOutcomes).optional(),
});

export const calendarQuerySchema = z.strictObject({
  /** From now; everything where absent. */
  days: count.optional(),
  /** What devices are to renew within so many is looked for, certificate by certificate; it is not where absent. */
  toRenewDays: count.optional(),
});

export const batchListQuerySchema = z.strictObject({
  ...page,
  /** Finds the batch of an upload that is under way or broke. */
  idempotencyKey: z.string().max(255).optional(),
});

export const uploadQuerySchema = z.strictObject({
  /** Where an upload that broke goes on: the batch's nextIndex. */
  firstIndex: count.refine((index) => index <= maxRequestsPerBatch, 'is too large').default(0),
});

const follow = flag.default(false);

export const followQuerySchema = z.strictObject({ follow });

export const resultsQuerySchema = z.strictObject({ follow, firstChunk: count.default(0) });

export const certificatesQuerySchema = resultsQuerySchema.extend({
  format: z.enum(downloadFormats).optional(),
});

export const deviceQuerySchema = z.strictObject({ deviceId: z.string().max(512).optional() });

export const findQuerySchema = z.strictObject({
  udid: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'is the SHA-256 of the SubjectPublicKeyInfo, 64 hex digits')
    .optional(),
  deviceId: z.string().max(512).optional(),
});

export const auditQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^(?:[1-9]\d{0,2}|1000)$/, 'must be a whole number from 1 to 1000')
    .transform(Number)
    .optional(),
  /** Sequence number: what is behind it is told. */
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .optional(),
});
