import { z } from 'zod';

/** Lower-case hex of exactly so many octets. */
export function hex(octets: number): z.ZodString {
  return z
    .string()
    .regex(
      new RegExp(`^[0-9a-f]{${String(octets * 2)}}$`),
      `expected ${String(octets * 2)} hex digits`,
    );
}

/** Base64 of exactly so many octets. */
export function base64(octets: number): z.ZodType<string> {
  return z
    .base64()
    .refine(
      (text) => Buffer.from(text, 'base64').length === octets,
      `expected ${String(octets)} octets`,
    );
}

/** Base64 of any length. A pattern would overflow the stack of the engine on megabytes. */
export const base64Text = z
  .string()
  .refine((text) => Buffer.from(text, 'base64').toString('base64') === text, 'expected base64');
