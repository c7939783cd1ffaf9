import { z } from 'zod';

/**
 * Where the status of certificates is told: plain HTTP, for what is told is signed, and a client that
 * must check a certificate to fetch a status goes in circles (RFC 5280 8). Unknown keys are refused.
 */
export const statusHttpSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(8462),
  /** Each takes connections by itself. */
  threads: z.int().min(1).max(64).default(2),
  /** Open connections of a thread; one more is closed at once. */
  maxConnections: z.int().min(1).default(2_048),
  /** Answers that each thread, and the one behind them, keeps; the oldest goes first. */
  cachedAnswers: z.int().min(0).default(20_000),
  /** The octets of these. */
  cachedBytes: z
    .int()
    .min(0)
    .default(32 * 1024 * 1024),
  /** How long a thread keeps one: so much later a change of status may be told. */
  cachedMs: z.int().min(0).max(600_000).default(5_000),
  /** CRLs and certificates of CAs that are read and sent at once, of all threads; more get 503. */
  repositoryCallsAtOnce: z.int().min(1).default(256),
  /** How long clients and proxies may keep an answer at most (Cache-Control max-age). */
  maxAgeSeconds: z.int().min(0).default(3_600),
});

export type StatusHttpConfig = z.infer<typeof statusHttpSchema>;
