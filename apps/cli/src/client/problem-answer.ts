import { z } from 'zod';
import { ServerError, type RetryRule } from './server-error.js';

/** What we read of problem+json (RFC 9457); everything in it may be missing. */
const problemSchema = z.looseObject({
  code: z.string().max(100).optional(),
  title: z.string().max(1_000).optional(),
  detail: z.string().max(40_000).optional(),
  proposed: z
    .object({
      operation: z.strictObject({
        kind: z.string(),
        id: z.string(),
        parameters: z.record(z.string(), z.unknown()),
      }),
    })
    .optional()
    .catch(undefined),
});

/** 429 and 503 are said before anything was done; the others may come from a proxy in between. */
const retryOfStatus: Readonly<Record<number, RetryRule>> = {
  408: 'repeatable',
  429: 'always',
  502: 'repeatable',
  503: 'always',
  504: 'repeatable',
};

/**
 * The error of an answer with a status of 400 or more.
 * @param retryAfter the header: seconds or a date (RFC 9110 10.2.3).
 */
export function problemAnswer(
  status: number,
  body: string,
  retryAfter: string | undefined,
  nowMs: number,
): ServerError {
  const problem = problemSchema.safeParse(parseJson(body)).data ?? {};
  const retryAfterMs = retryAfterMsOf(retryAfter, nowMs);
  return new ServerError({
    shownCode: problem.code ?? `HTTP_${status}`,
    message: problem.detail ?? problem.title ?? `the server answered ${status}`,
    retry: retryOfStatus[status] ?? 'never',
    status,
    ...(problem.proposed === undefined ? {} : { proposed: problem.proposed.operation }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return {};
  }
}

function retryAfterMsOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
