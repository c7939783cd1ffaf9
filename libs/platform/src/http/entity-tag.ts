/**
 * Whether an If-None-Match (RFC 9110 13.1.2) has the entity tag, with its quotes. Weak comparison (RFC
 * 9110 8.8.3.2): caches on the way make tags weak.
 */
export function hasTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}
