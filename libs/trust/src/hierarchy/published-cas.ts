import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { readCrl } from '../path/crl-status.js';
import { certificatesInPem } from './ca-certificate.js';
import { caCrlFileName } from './ca-crl-time.js';
import { type CaIdentity, CasByKey, identityOf, isSameCa } from './cas-by-key.js';
import {
  crlListings,
  type ImportedCrl,
  ImportedCrlFolder,
  isCrlOf,
  leftOutBy,
} from './imported-crls.js';
import { issuerPathsOf } from './issuer-paths.js';

/** What everybody may have of the CAs in a data folder, the root among them; read when it is asked for. */
export interface PublishedCas {
  /** DER; undefined where there is no CA of the name, whatever the name is. */
  certificateOf(ca: string): Promise<Uint8Array | undefined>;
  /**
   * The CA's CRL of the CA certificates that it signed, DER: of those in its folders and those that were taken in,
   * by whatever name, the one with the highest crlNumber; that of a folder of another name only where it leaves out
   * nothing of its own. Undefined where none is here.
   */
  caCrlOf(ca: string): Promise<Uint8Array | undefined>;
}

export function publishedCas(dataDirectory: string): PublishedCas {
  const imported = new ImportedCrlFolder(dataDirectory);
  const cas = new CasByKey(dataDirectory);
  return {
    async certificateOf(ca) {
      if (!isName(ca)) return undefined;
      const own = await ownCertificate(dataDirectory, ca);
      return own ?? imported.readable().find((crl) => crl.ca === ca)?.signer.der;
    },
    async caCrlOf(ca) {
      if (!isName(ca)) return undefined;
      const own = await ownCrl(dataDirectory, ca);
      const known = imported.readable();
      if (known.length === 0) return own;
      // The CA of a name is that of its folder, where there is one: a list of another CA is not about it.
      const certificateDer = await ownCertificate(dataDirectory, ca);
      const same = identityOf(certificateDer ?? known.find((crl) => crl.ca === ca)?.signer.der);
      if (same === undefined) return own;
      let served: Numbered | undefined = own && { der: own, crlNumber: numberOf(own) };
      for (const name of cas.namesOf(same)) {
        if (name === ca || !(await isNameOf(dataDirectory, name, same))) continue;
        const der = await ownCrl(dataDirectory, name);
        // Each folder's list has what was revoked in that folder.
        if (der === undefined || leavesOut(der, served?.der)) continue;
        served = later(served, { der, crlNumber: numberOf(der) });
      }
      for (const crl of known) if (isCrlOf(crl, same)) served = later(served, crl);
      return served?.der;
    },
  };
}

interface Numbered {
  readonly der: Uint8Array;
  readonly crlNumber: bigint | undefined;
}

function later(served: Numbered | undefined, other: Numbered): Numbered {
  if (served?.crlNumber === undefined) return other;
  return other.crlNumber !== undefined && other.crlNumber > served.crlNumber ? other : served;
}

function leavesOut(der: Uint8Array, served: Uint8Array | undefined): boolean {
  return served !== undefined && leftOutBy(listingsOf(der), listingsOf(served)).length > 0;
}

function listingsOf(der: Uint8Array): Pick<ImportedCrl, 'revoked'> {
  const crl = readCrl(der);
  return { revoked: (crl && crlListings(crl)) ?? new Map() };
}

function numberOf(der: Uint8Array): bigint | undefined {
  return readCrl(der)?.crlNumber;
}

/** A folder that was another CA's may have its name since. */
async function isNameOf(dataDirectory: string, name: string, ca: CaIdentity): Promise<boolean> {
  const own = identityOf(await ownCertificate(dataDirectory, name));
  return own !== undefined && isSameCa(own, ca);
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
