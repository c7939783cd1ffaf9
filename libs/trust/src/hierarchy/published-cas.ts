import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { certificatesInPem } from './ca-certificate.js';
import { importedBlocks, importedCrlFileOf } from './imported-crls.js';
import { caCrlFileName } from './ca-crl-time.js';
import { issuerPathsOf } from './issuer-paths.js';

/** What everybody may have of the CAs in a data folder, the root among them; read when it is asked for. */
export interface PublishedCas {
  /** DER; undefined where there is no CA of the name, whatever the name is. */
  certificateOf(ca: string): Promise<Uint8Array | undefined>;
  /** The CA's CRL of the CA certificates that it signed, DER; undefined where none is here. */
  caCrlOf(ca: string): Promise<Uint8Array | undefined>;
}

export function publishedCas(dataDirectory: string): PublishedCas {
  const imported = async (ca: string) => {
    const file = await readIfThere(importedCrlFileOf(dataDirectory, ca));
    const [certificate, crl] = file === undefined ? [] : importedBlocks(file);
    return { certificate: certificate?.der, crl: crl?.der };
  };
  return {
    async certificateOf(ca) {
      if (!isName(ca)) return undefined;
      const pem = await readIfThere(issuerPathsOf(dataDirectory, ca).certificateFile);
      if (pem === undefined) return (await imported(ca)).certificate;
      return certificatesInPem(pem.toString('utf8'))[0];
    },
    async caCrlOf(ca) {
      if (!isName(ca)) return undefined;
      const { crl } = await imported(ca);
      return crl ?? readIfThere(join(issuerPathsOf(dataDirectory, ca).directory, caCrlFileName));
    },
  };
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
