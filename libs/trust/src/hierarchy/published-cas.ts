import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { certificatesInPem } from './ca-certificate.js';
import { caCrlFileName } from './ca-crl-time.js';
import { ImportedCrlFolder } from './imported-crls.js';
import { issuerPathsOf } from './issuer-paths.js';
import { ListsOfCas } from './lists-of-ca.js';

/** What everybody may have of the CAs in a data folder, the root among them; read when it is asked for. */
export interface PublishedCas {
  /** DER; undefined where there is no CA of the name, whatever the name is. */
  certificateOf(ca: string): Promise<Uint8Array | undefined>;
  /**
   * The CA's CRL of the CA certificates that it signed, DER: of those in its folders and those that were taken in, by
   * whatever name, `chosenList`. Undefined where none is here.
   */
  caCrlOf(ca: string): Promise<Uint8Array | undefined>;
}

export function publishedCas(dataDirectory: string): PublishedCas {
  const imported = new ImportedCrlFolder(dataDirectory);
  const lists = new ListsOfCas(dataDirectory, imported);
  return {
    async certificateOf(ca) {
      if (!isName(ca)) return undefined;
      const own = await ownCertificate(dataDirectory, ca);
      return own ?? imported.readable().find((crl) => crl.ca === ca)?.signer.der;
    },
    async caCrlOf(ca) {
      if (!isName(ca)) return undefined;
      const same = lists.identityOf(ca);
      const chosen = same && lists.chosenOf(same);
      return chosen?.list.der ?? (await ownCrl(dataDirectory, ca));
    },
  };
}

async function ownCrl(dataDirectory: string, ca: string): Promise<Buffer | undefined> {
  return readIfThere(join(issuerPathsOf(dataDirectory, ca).directory, caCrlFileName));
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
