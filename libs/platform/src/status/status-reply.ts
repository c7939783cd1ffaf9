import { hash } from 'node:crypto';
import type { OcspAnswer } from '@certmill/pipeline';

/** A whole answer of the status face, ready to be written. */
export interface StatusReply {
  readonly status: number;
  /** Names and values in turn; without Content-Length and Date. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** In `headers` too, for whoever has it already. */
  readonly etag?: string;
  /** Others who ask the same get it until then; absent: nobody does. */
  readonly keepUntilMs?: number;
}

export interface KeepingLimits {
  readonly cachedMs: number;
  readonly maxAgeSeconds: number;
}

/** OCSP says what is wrong inside its message, with HTTP 200 (RFC 6960 A.1). */
export function ocspReply(answer: OcspAnswer, nowMs: number, limits: KeepingLimits): StatusReply {
  const contentType = ['Content-Type', 'application/ocsp-response'];
  if (answer.kind !== 'successful' || !answer.isForAll) {
    const headers = [...contentType, 'Cache-Control', 'no-store'];
    return { status: 200, headers, body: answer.der };
  }
  const { thisUpdateMs, nextUpdateMs } = answer.times;
  return keptReply(answer.der, contentType, thisUpdateMs, nextUpdateMs, nowMs, limits);
}

/** With the headers of RFC 9919 7.2: nobody keeps it past nextUpdate. */
export function keptReply(
  body: Uint8Array,
  contentType: readonly string[],
  thisUpdateMs: number,
  nextUpdateMs: number,
  nowMs: number,
  limits: KeepingLimits,
): StatusReply {
  const leftSeconds = Math.max(0, Math.floor((nextUpdateMs - nowMs) / 1_000));
  const maxAge = Math.min(leftSeconds, limits.maxAgeSeconds);
  const etag = `"${hash('sha256', body, 'hex')}"`;
  return {
    status: 200,
    headers: [
      ...contentType,
      'Last-Modified',
      new Date(thisUpdateMs).toUTCString(),
      'Expires',
      new Date(Math.min(nextUpdateMs, nowMs + maxAge * 1_000)).toUTCString(),
      'ETag',
      etag,
      'Cache-Control',
      `max-age=${String(maxAge)},public,no-transform,must-revalidate`,
    ],
    body,
    etag,
    keepUntilMs: Math.min(nextUpdateMs, nowMs + limits.cachedMs),
  };
}

/** For people who look at the wrong place. */
export function plainReply(status: number, text: string, ...headers: string[]): StatusReply {
  return {
    status,
    headers: ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store', ...headers],
    body: Buffer.from(`${text}\n`),
  };
}
