import type { z } from 'zod';
import { CertmillError } from '@certmill/domain';

/** Far above an approval, a share or a policy of many people. */
const maxCharacters = 1024 * 1024;

/**
 * Reads one of the JSON files that ceremonies exchange; unknown members are refused.
 * @param kind what the file has to be, for the message.
 * Throws INVALID_INPUT with the member that is wrong, and nothing of its content.
 */
export function parseStatement<T>(
  text: string,
  fileName: string,
  kind: string,
  schema: z.ZodType<T>,
): T {
  const refused = (reason: string): CertmillError =>
    new CertmillError('INVALID_INPUT', `${fileName} is no ${kind}: ${reason}`);
  if (text.length > maxCharacters) throw refused('it is too large');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A parser's message would quote the content.
    throw refused('it is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refused(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}
