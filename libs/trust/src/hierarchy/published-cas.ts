import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { readCrl } from '../path/crl-status.js';
import { readPathCertificate } from '../path/path-certificate.js';
import { certificatesInPem } from './ca-certificate.js';
import { type ImportedCrl, ImportedCrlFolder, isCrlOf } from './imported-crls.js';
import { caCrlFileName } from './ca-crl-time.js';
import { issuerPathsOf } from './issuer-paths.js';

/** What everybody may have of the CAs in a data folder, the root among them; read when it is asked for. */
export interface PublishedCas {
  /** DER; undefined where there is no CA of the name, whatever the name is. */
  certificateOf(ca: string): Promise<Uint8Array | undefined>;
  /**
   * The CA's CRL of the CA certificates that it signed, DER: of the one in its folder and those that were taken in
   * the one with the highest crlNumber. Undefined where none is here.
   */
  caCrlOf(ca: string): Promise<Uint8Array | undefined>;
}

export function publishedCas(dataDirectory: string): PublishedCas {
  const imported = new ImportedCrlFolder(dataDirectory);
  return {
    async certificateOf(ca) {
      if (!isName(ca)) return undefined;
      const own = await ownCertificate(dataDirectory, ca);
      return own ?? imported.readable().find((crl) => crl.ca === ca)?.signer.der;
    },
    async caCrlOf(ca) {
      if (!isName(ca)) return undefined;
      const { directory } = issuerPathsOf(dataDirectory, ca);
      const own = await readIfThere(join(directory, caCrlFileName));
      const known = imported.readable();
      if (known.length === 0) return own;
      const latest = latestOf(ofSameCa(known, ca, await ownCertificate(dataDirectory, ca)));
      return latest !== undefined && isLater(latest, own) ? latest.der : own;
    },
  };
}

/** The CA of a name is that of its folder, where there is one: a list of another CA is not about it. */
function ofSameCa(
  known: readonly ImportedCrl[],
  name: string,
  certificateDer: Uint8Array | undefined,
): readonly ImportedCrl[] {
  const ca =
    certificateDer === undefined
      ? known.find((crl) => crl.ca === name)?.signer
      : readPathCertificate(certificateDer);
  if (ca === undefined) return [];
  const { certificate, subjectPKInfoDer: spkiDer } = ca;
  return known.filter((crl) => isCrlOf(crl, { subjectDer: certificate.subject.der, spkiDer }));
}

function latestOf([first, ...others]: readonly ImportedCrl[]): ImportedCrl | undefined {
  if (first === undefined) return undefined;
  return others.reduce((last, crl) => (crl.crlNumber > last.crlNumber ? crl : last), first);
}

function isLater({ crlNumber }: ImportedCrl, own: Uint8Array | undefined): boolean {
  const before = own && readCrl(own)?.crlNumber;
  return before === undefined || crlNumber > before;
}

async function ownCertificate(dataDirectory: string, ca: string): Promise<Uint8Array | undefined> {
  const pem = await readIfThere(issuerPathsOf(dataDirectory, ca).certificateFile);
  return pem && certificatesInPem(pem.toString('utf8'))[0];
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
