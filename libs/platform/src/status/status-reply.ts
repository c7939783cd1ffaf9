import { hash } from 'node:crypto';
import { encodeErrorResponse } from '@certmill/der';
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
  /** A thread may read what was signed ahead for the same issuer by itself until then. */
  readonly readUntilMs?: number;
}

export interface KeepingLimits {
  readonly cachedMs: number;
  readonly maxAgeSeconds: number;
}

/** How late a thread notes that an issuer was revoked; the main thread looks as often. */
const readAtOnceMs = 1_000;
/** Of what may be told otherwise soon, or was signed for one client: the least that is later than thisUpdate. */
const leastMaxAgeSeconds = 1;
const ocspType = ['Content-Type', 'application/ocsp-response'];

/**
 * OCSP says what is wrong inside its message, with HTTP 200 (RFC 6960 A.1). What is signed has the headers
 * of RFC 9919 7.2: Expires is nextUpdate, max-age ends before it, and no-store never stands there.
 */
export function ocspReply(answer: OcspAnswer, nowMs: number, limits: KeepingLimits): StatusReply {
  if (answer.kind !== 'successful') return unsignedReply(answer.der);
  const { der, isForAll, times } = answer;
  const { thisUpdateMs, nextUpdateMs } = times;
  const longest = isForAll ? limits.maxAgeSeconds : leastMaxAgeSeconds;
  const leftSeconds = Math.max(0, Math.ceil((nextUpdateMs - nowMs) / 1_000) - 1);
  const maxAge = Math.min(leftSeconds, longest);
  const etag = `"${hash('sha256', der, 'hex')}"`;
  const headers = [
    ...ocspType,
    ...['Last-Modified', new Date(thisUpdateMs).toUTCString()],
    ...['Expires', new Date(nextUpdateMs).toUTCString()],
    ...['ETag', etag],
    ...['Cache-Control', `max-age=${String(maxAge)},public,no-transform,must-revalidate`],
  ];
  const keepUntilMs = Math.min(nextUpdateMs, nowMs + limits.cachedMs);
  return {
    ...{ status: 200, headers, body: der, etag },
    ...(isForAll ? { keepUntilMs } : {}),
    ...(answer.isReadable === true ? { readUntilMs: nowMs + readAtOnceMs } : {}),
  };
}

/** Of OCSP; for whom nobody had a look. */
export function tryLaterReply(): StatusReply {
  return unsignedReply(encodeErrorResponse('tryLater'));
}

function unsignedReply(body: Uint8Array): StatusReply {
  return { status: 200, headers: [...ocspType, 'Cache-Control', 'no-store'], body };
}

/** For people who look at the wrong place. */
export function plainReply(status: number, text: string, ...headers: string[]): StatusReply {
  return {
    status,
    headers: ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store', ...headers],
    body: Buffer.from(`${text}\n`),
  };
}

export function laterReply(): StatusReply {
  return plainReply(503, 'this cannot be told now; ask again later', 'Retry-After', '5');
}
