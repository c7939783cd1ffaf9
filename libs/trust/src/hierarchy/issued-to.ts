import { join } from 'node:path';
import { isSameBytes, readPathCertificate } from '../path/path-certificate.js';
import { firstCertificateIn, pemsIn } from './certificates-over-key.js';
import { assertNameBounds } from './distinguished-name.js';
import { type IssuerPaths, issuedFolderName } from './issuer-paths.js';

/** A certificate that a CA has signed for a subject; undefined where its folder has none. */
function issuedTo(
  { directory }: Pick<IssuerPaths, 'directory'>,
  subjectDer: Uint8Array,
): Uint8Array | undefined {
  return pemsIn(join(directory, issuedFolderName))
    .map(firstCertificateIn)
    .find((der) => {
      // Most are of other subjects, and need not be read.
      if (der === undefined || Buffer.from(der).indexOf(subjectDer) < 0) return false;
      const subject = readPathCertificate(der)?.certificate.subject.der;
      return subject !== undefined && isSameBytes(subject, subjectDer);
    });
}

/**
 * INVALID_INPUT where a name that is asked for is too long, unless the CA that is to sign has let it be before: one that
 * is renewed or gets a new key keeps its name. Returns the certificate that says so; undefined where the name fits.
 */
export function assertNameFits(
  subjectDer: Uint8Array,
  signer: Pick<IssuerPaths, 'directory'>,
): Uint8Array | undefined {
  let before: Uint8Array | undefined;
  assertNameBounds(subjectDer, () => (before ??= issuedTo(signer, subjectDer)) !== undefined);
  return before;
}
