import type { PublishedFile, Repository } from '../http/repository.js';
import { findPublished } from '../http/published-path.js';
import type { StatusCall } from './status-call.js';
import type { StatusReply } from './status-reply.js';

/**
 * CRLs and certificates of CAs on the face of a validation authority. Undefined where there is nothing
 * at the path. Nobody keeps them beside the repository: one CRL may have 40 MB.
 */
export async function replyToRepositoryCall(
  repository: Repository,
  { path, ifNoneMatch }: Extract<StatusCall, { readonly kind: 'published' }>,
): Promise<StatusReply | undefined> {
  const file = await findPublished(repository, path, ifNoneMatch);
  return file && replyOf(file);
}

function replyOf({ mediaType, etag, lastModifiedMs, maxAgeSeconds, der }: PublishedFile) {
  const modified =
    lastModifiedMs === undefined ? [] : ['Last-Modified', new Date(lastModifiedMs).toUTCString()];
  return {
    status: 200,
    headers: [
      ...['Content-Type', mediaType, 'ETag', etag],
      ...['Cache-Control', `public, max-age=${String(maxAgeSeconds)}, no-transform`],
      ...modified,
    ],
    // Who has it already, by its entity tag, is told just that.
    body: der ?? new Uint8Array(),
    etag,
  };
}
