/** A span of another process that ours is a child of (W3C Trace Context 3.2). */
export interface RemoteSpan {
  /** Hex, 32 digits. */
  readonly traceId: string;
  /** Hex, 16 digits. */
  readonly spanId: string;
  readonly flags: number;
}

/** Of a version above 00 what 00 has is taken, and what follows is left out (W3C 4.3). */
const pattern = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeros = /^0+$/;

/** Undefined where the header is absent or is none. */
export function remoteSpanOf(traceparent: string | undefined): RemoteSpan | undefined {
  const [, version, traceId, spanId, flags, more] = pattern.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (zeros.test(traceId) || zeros.test(spanId)) return undefined;
  if (version === '00' && more !== undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** In the form of version 00. */
export function formatTraceparent({ traceId, spanId, flags }: RemoteSpan): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
}

/** What of a caller's header may be handed on. */
export function traceparentOf(header: string | undefined): string | undefined {
  const span = remoteSpanOf(header);
  return span && formatTraceparent(span);
}

export function isSampled({ flags }: Pick<RemoteSpan, 'flags'>): boolean {
  return (flags & 1) === 1;
}
