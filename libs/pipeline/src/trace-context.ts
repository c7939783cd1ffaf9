/**
 * Of a long upload the first chunks are traced, and then a few: a trace of a million spans can be
 * neither stored nor looked at. 65,536 chunks come to 287 that are traced.
 */
const tracedAtFirst = 32;
const tracedEvery = 256;

const sampledFlag = 1;

/**
 * The trace context of an upload's n-th chunk, from that of the upload (W3C Trace Context level 1:
 * version, trace id, parent id and flags, in hex). Where the chunk is not to be traced, the same
 * without the flag that says so: its stages do not choose anew.
 */
export function traceparentOfChunk(
  traceparent: string | undefined,
  position: number,
): string | undefined {
  if (traceparent === undefined) return undefined;
  if (position < tracedAtFirst || position % tracedEvery === 0) return traceparent;
  const flags = Number.parseInt(traceparent.slice(-2), 16) & ~sampledFlag;
  return traceparent.slice(0, -2) + flags.toString(16).padStart(2, '0');
}
