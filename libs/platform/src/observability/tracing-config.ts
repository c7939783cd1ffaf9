import { z } from 'zod';

/** Where traces go, and how many: the same section in every configuration. */
export const tracingSchema = z.strictObject({
  /** OTLP over HTTP, without `/v1/traces`, e.g. http://localhost:4318. */
  url: z
    .url({ protocol: /^https?$/ })
    .refine((url) => new URL(url).username === '', 'must not hold credentials'),
  /** Of the uploads and enrolments that bring no trace context of their own, 0-1. */
  ratio: z.number().min(0).max(1).default(0.01),
});

export type TracingConfig = z.infer<typeof tracingSchema>;
