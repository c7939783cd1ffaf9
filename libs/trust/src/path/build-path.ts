import { isSameBytes, mayHaveIssued, type PathCertificate } from './path-certificate.js';
import { hasSigned } from './verify-signature.js';

/** Longer paths are somebody's attack; a device's has three or four certificates. */
const maxPathLength = 10;
/** Candidates that are looked at in all: cross-certificates can be arranged in rings and webs. */
const maxTrials = 200;

/**
 * Paths from the certificate to a trust anchor, the certificate first, the anchor last: names chain,
 * identifiers do not contradict and each signature verifies (RFC 4158). The one that `accept` takes, or
 * the first where it takes none; the longest beginning of a path where no anchor is reached.
 */
export function buildPath(
  leaf: PathCertificate,
  intermediates: readonly PathCertificate[],
  anchors: readonly PathCertificate[],
  accept: (path: readonly PathCertificate[]) => boolean,
): { readonly path: readonly PathCertificate[]; readonly isAnchored: boolean } {
  let trials = 0;
  let firstAnchored: readonly PathCertificate[] | undefined;
  let longest: readonly PathCertificate[] = [leaf];

  const extend = (path: readonly PathCertificate[]): readonly PathCertificate[] | undefined => {
    const last = path.at(-1) ?? leaf;
    if (path.length > longest.length) longest = path;
    if (anchors.some((anchor) => isSameBytes(anchor.der, last.der))) {
      firstAnchored ??= path;
      return accept(path) ? path : undefined;
    }
    if (path.length === maxPathLength) return undefined;
    for (const issuer of [...anchors, ...intermediates]) {
      if (!mayHaveIssued(issuer, last) || isInPath(issuer, path)) continue;
      if (++trials > maxTrials) return undefined;
      if (!hasSigned(issuer.publicKey, last)) continue;
      const found = extend([...path, issuer]);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  const accepted = extend([leaf]);
  const anchored = accepted ?? firstAnchored;
  return { path: anchored ?? longest, isAnchored: anchored !== undefined };
}

/** The same name with the same key twice leads nowhere new. */
function isInPath(candidate: PathCertificate, path: readonly PathCertificate[]): boolean {
  return path.some(
    (member) =>
      isSameBytes(member.certificate.subject.der, candidate.certificate.subject.der) &&
      isSameBytes(member.subjectPKInfoDer, candidate.subjectPKInfoDer),
  );
}
