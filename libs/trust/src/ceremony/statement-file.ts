import type { z } from 'zod';
import { CertmillError } from '@certmill/domain';

/** Far above an approval, a share or a policy of many people. */
const smallCharacters = 1024 * 1024;
/** A sealed backup of 10,000 issuing CAs has 100 MB, the transcript of its restore 20. */
export const bulkCharacters = 256 * 1024 * 1024;

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
  maxCharacters = smallCharacters,
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
