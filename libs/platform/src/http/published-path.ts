import type { PublishedFile, Repository } from './repository.js';

const crlPath = /\/crl\/([^/]+)\/(0|[1-9][0-9]{0,4})(\.delta)?\.crl$/;
const caCrlPath = /\/crl\/([^/]+)\/ca\.crl$/;
const certificatePath = /\/ca\/([^/]+)\.cer$/;

/**
 * What lies at the path of a certificate's extension: `crlUriOf`, `deltaCrlUriOf`, `caCrlUriOf` and
 * `caIssuersUriOf` of @certmill/domain, behind whatever path their base has.
 */
export async function findPublished(
  repository: Repository,
  path: string,
  ifNoneMatch?: string,
): Promise<PublishedFile | undefined> {
  const [, issuer, shard, delta] = crlPath.exec(path) ?? [];
  if (issuer !== undefined) {
    const kind = delta === undefined ? 'full' : 'delta';
    return repository.findCrl({ issuer, shard: Number(shard) }, kind, ifNoneMatch);
  }
  const [, signer] = caCrlPath.exec(path) ?? [];
  if (signer !== undefined) return repository.findCaCrl(signer, ifNoneMatch);
  const [, ca] = certificatePath.exec(path) ?? [];
  return ca === undefined ? undefined : repository.findCertificate(ca, ifNoneMatch);
}
