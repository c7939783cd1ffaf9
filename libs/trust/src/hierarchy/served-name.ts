import { CertmillError } from '@certmill/domain';
import type { CaCertificate } from './ca-certificate.js';
import { ImportedCrlFolder, isCrlOf } from './imported-crls.js';

/**
 * CONFLICT where the CRL of another CA was taken in by the name: both would tell the status of what they signed at one
 * address. FAULT_STORE_CORRUPT where that cannot be read.
 * @param ca of the name; absent: its key is new, and no list is its own.
 */
export function assertServedNameFree(
  dataDirectory: string,
  name: string,
  ca?: Pick<CaCertificate, 'subjectDer' | 'spkiDer'>,
): void {
  const crl = new ImportedCrlFolder(dataDirectory).named(name);
  if (crl === undefined || (ca !== undefined && isCrlOf(crl, ca))) return;
  throw new CertmillError(
    'CONFLICT',
    `the CRL of ${crl.signer.subject} was taken in here by the name '${name}', and is served by it: ` +
      'make the CA by another name, or in another data folder',
  );
}
