import { type CrlReason } from '@certmill/domain';
import { readCaCertificate } from '../hierarchy/ca-certificate.js';
import { ImportedCrlFolder, isCrlOf } from '../hierarchy/imported-crls.js';
import { loadAuthorities } from '../hierarchy/load-issuers.js';
import { publishedCas } from '../hierarchy/published-cas.js';
import { readCrl } from '../path/crl-status.js';
import { reasonInCrl } from './carried-crl.js';

/** What a CRL that is served says of a certificate that it revokes for good. */
export interface ServedListing {
  readonly reason: CrlReason;
  readonly crlNumber: bigint;
}

/**
 * What the CRL that a data folder serves of a CA says of a certificate. Undefined where it serves none, or one that does
 * not revoke it, by whatever name.
 * @param signerDer certificate of the CA.
 */
export async function listingServed(
  directory: string,
  certificateDer: Uint8Array,
  signerDer: Uint8Array,
  nowMs: number,
): Promise<ServedListing | undefined> {
  const published = publishedCas(directory);
  let first: ServedListing | undefined;
  for (const name of await namesOf(directory, signerDer)) {
    const der = await published.caCrlOf(name);
    if (der === undefined) continue;
    const crl = readCrl(Uint8Array.from(der));
    const reason = crl && reasonInCrl(crl, certificateDer, signerDer, nowMs);
    if (reason === undefined) return undefined;
    first ??= { reason, crlNumber: crl?.crlNumber ?? 0n };
  }
  return first;
}

/** By which CRLs of a CA are served. */
async function namesOf(directory: string, signerDer: Uint8Array): Promise<ReadonlySet<string>> {
  const signer = readCaCertificate(signerDer, 'a CA above');
  const own = (await loadAuthorities(directory)).filter(
    ({ subjectDer, spkiDer }) =>
      Buffer.compare(subjectDer, signer.subjectDer) === 0 &&
      Buffer.compare(spkiDer, signer.spkiDer) === 0,
  );
  const imported = new ImportedCrlFolder(directory)
    .readable()
    .filter((crl) => isCrlOf(crl, signer));
  return new Set([...own.map(({ name }) => name), ...imported.map(({ ca }) => ca)]);
}
