import type { z } from 'zod';
import { CertmillError } from '@certmill/domain';

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
