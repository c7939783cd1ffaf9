import type { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import type { PageRequest } from '@certmill/ports';

/** Checks a body or query; INVALID_INPUT names each field that is wrong. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) =>
    issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`,
  );
  throw new CertmillError('INVALID_INPUT', reasons.join('; ').slice(0, 1_000));
}

export interface PageQuery {
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

const defaultLimit = 100;
const maxLimit = 1_000;

export function pageRequestOf(query: PageQuery): PageRequest {
  const limit = query.limit === undefined ? defaultLimit : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new CertmillError('INVALID_INPUT', `limit must be a whole number from 1 to ${maxLimit}`);
  }
  return { limit, ...(query.cursor === undefined ? {} : { cursor: query.cursor }) };
}
