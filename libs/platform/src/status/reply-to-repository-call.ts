import type { PublishedFile, Repository } from '../http/repository.js';
import { findPublished } from '../http/published-path.js';
import type { StatusCall } from './status-messages.js';
import type { StatusReply } from './status-reply.js';

/**
 * CRLs and certificates of CAs on the face of a validation authority. Undefined where there is nothing
 * at the path. Threads keep none of them: they count answers, and one CRL may have 40 MB.
 */
export async function replyToRepositoryCall(
  repository: Repository,
  { method, url }: StatusCall,
): Promise<StatusReply | undefined> {
  if (method !== 'GET') return undefined;
  const file = await findPublished(repository, url.split('?', 1)[0] ?? '');
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
    body: der ?? new Uint8Array(),
    etag,
  };
}
