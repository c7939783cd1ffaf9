import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { readCaCertificate } from './ca-certificate.js';
import { firstCertificateIn, pemsIn } from './certificates-over-key.js';
import { formerFolderName } from './issuer-paths.js';
import type { Issuer } from './load-issuers.js';

/**
 * When the certificates end that a CA had before its present one, as far as its folder keeps them; Unix milliseconds.
 * FAULT_STORE_CORRUPT where one cannot be read.
 */
export function formerEndsOf({
  directory,
  name,
}: Pick<Issuer, 'directory' | 'name'>): readonly number[] {
  return pemsIn(join(directory, formerFolderName)).map((file) => {
    try {
      const der = firstCertificateIn(file) ?? new Uint8Array();
      return readCaCertificate(der, 'a former certificate').notAfterMs;
    } catch (cause) {
      const message = `a former certificate of CA '${name}' cannot be read`;
      throw new CertmillError('FAULT_STORE_CORRUPT', message, { cause });
    }
  });
}
