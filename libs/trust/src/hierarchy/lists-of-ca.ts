import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { crlSignatureVerdict, readCrl } from '../path/crl-status.js';
import { isSameBytes, readPathCertificate } from '../path/path-certificate.js';
import { certificatesInPem } from './ca-certificate.js';
import { caCrlFileName } from './ca-crl-time.js';
import { type CaIdentity, CasByKey, identityOf, isSameCa } from './cas-by-key.js';
import { fileStamp } from './file-stamp.js';
import {
  type ImportedCrl,
  ImportedCrlFolder,
  importedCrlFileOf,
  importedCrlOf,
  isCrlOf,
  leftOutBy,
} from './imported-crls.js';
import { issuerPathsOf } from './issuer-paths.js';

/** A CRL of CA certificates that a data folder has, of whatever file. */
export interface CaList extends ImportedCrl {
  readonly file: string;
  /** It was taken in, and does not lie in a folder of the CA. */
  readonly isImported: boolean;
}

/** Which of the lists of a CA counts. */
export interface ChosenList {
  readonly list: CaList;
  /** Serial number, hex, of a certificate that the later one leaves out, and another one has. */
  readonly conflict?: { readonly later: CaList; readonly other: CaList; readonly leftOut: string };
  /** Each of the lists leaves out something of another one: this one does, too. */
  readonly isHiding: boolean;
}

interface KnownChoice {
  readonly lists: readonly CaList[];
  readonly chosen: ChosenList;
}

interface KnownList {
  readonly stamp: string;
  readonly list: CaList;
}

/** What a data folder has of CRLs about CA certificates, by CA, as they are now; a file that did not change is read once. */
export class ListsOfCas {
  readonly #dataDirectory: string;
  readonly #imported: ImportedCrlFolder;
  readonly #cas: CasByKey;
  readonly #own = new Map<string, KnownList>();
  /** By the file of the first list. */
  readonly #chosen = new Map<string, KnownChoice>();

  constructor(
    dataDirectory: string,
    imported = new ImportedCrlFolder(dataDirectory),
    cas = new CasByKey(dataDirectory),
  ) {
    this.#dataDirectory = dataDirectory;
    this.#imported = imported;
    this.#cas = cas;
  }

  /** The CA of a name: that of its folder, where there is one, for a list of another CA is not about it. */
  identityOf(name: string): CaIdentity | undefined {
    const own = this.#certificateOf(name);
    return identityOf(own ?? this.#imported.named(name)?.signer.der);
  }

  /** Of the folders that the CA has. */
  namesOf(ca: CaIdentity): readonly string[] {
    return this.#cas.namesOf(ca).filter((name) => {
      const own = identityOf(this.#certificateOf(name));
      return own !== undefined && isSameCa(own, ca);
    });
  }

  /**
   * Those in the folders of the CA, whatever their names are, then those that were taken in by any name. What cannot be
   * read, or the CA has not signed, is none.
   */
  of(ca: CaIdentity): readonly CaList[] {
    const own = this.#cas.namesOf(ca).flatMap((name) => {
      const list = this.#ownOf(name);
      return list !== undefined && isCrlOf(list, ca) ? [list] : [];
    });
    const imported = this.#imported
      .readable()
      .filter((crl) => isCrlOf(crl, ca))
      .map((crl) => ({
        ...crl,
        file: importedCrlFileOf(this.#dataDirectory, crl.ca),
        isImported: true,
      }));
    return [...own, ...imported];
  }

  /** The one of them that is served. Undefined where there is none. */
  chosenOf(ca: CaIdentity): ChosenList | undefined {
    const lists = this.of(ca);
    const [first] = lists;
    if (first === undefined) return undefined;
    const known = this.#chosen.get(first.file);
    const isSame = (list: CaList, index: number): boolean => list.der === known?.lists[index]?.der;
    if (known?.lists.length === lists.length && lists.every(isSame)) return known.chosen;
    const chosen = chosenList(lists);
    if (chosen !== undefined) this.#chosen.set(first.file, { lists, chosen });
    return chosen;
  }

  #ownOf(name: string): CaList | undefined {
    const file = join(issuerPathsOf(this.#dataDirectory, name).directory, caCrlFileName);
    const stamp = fileStamp(file);
    const known = this.#own.get(name);
    if (known?.stamp === stamp) return known.list;
    this.#own.delete(name);
    const der = bytesIfThere(file);
    const crl = der && readCrl(der);
    const certificateDer = crl && this.#certificateOf(name);
    const signer = certificateDer && readPathCertificate(certificateDer);
    if (crl === undefined || signer === undefined) return undefined;
    if (crlSignatureVerdict(crl, signer) !== 'good') return undefined;
    const read = importedCrlOf(name, signer, crl);
    if (read === undefined) return undefined;
    const list = { ...read, file, isImported: false };
    this.#own.set(name, { stamp, list });
    return list;
  }

  #certificateOf(name: string): Uint8Array | undefined {
    const pem = bytesIfThere(issuerPathsOf(this.#dataDirectory, name).certificateFile);
    return pem && certificatesInPem(pem.toString('utf8'))[0];
  }
}

/**
 * The list with the highest crlNumber of those that leave out nothing for good which another one has. Where each leaves
 * out something, the first one stays: it takes nobody back since then, and as it is not replaced it ends.
 */
export function chosenList(lists: readonly CaList[]): ChosenList | undefined {
  const [first, ...more] = [...lists].sort(byNumber).reverse();
  if (first === undefined) return undefined;
  if (more.length === 0) return { list: first, isHiding: false };
  const lossOf = (
    list: CaList,
  ): { readonly other: CaList; readonly leftOut: string } | undefined => {
    for (const other of lists) {
      const [leftOut] = isSameBytes(other.der, list.der) ? [] : leftOutBy(list, other);
      if (leftOut !== undefined) return { other, leftOut };
    }
    return undefined;
  };
  const loss = lossOf(first);
  if (loss === undefined) return { list: first, isHiding: false };
  const conflict = { later: first, ...loss };
  const whole = more.find((list) => lossOf(list) === undefined);
  if (whole !== undefined) return { list: whole, conflict, isHiding: false };
  // What is contained in a later one is only earlier.
  const widest = lists.filter((list) => !lists.some((other) => isWider(other, list)));
  return { list: [...widest].sort(byNumber)[0] ?? first, conflict, isHiding: true };
}

/** FAULT_STORE_CORRUPT with the files, and what to do; undefined where the lists agree. */
export function conflictFault({ list, conflict, isHiding }: ChosenList): CertmillError | undefined {
  if (conflict === undefined) return undefined;
  const { later, other, leftOut } = conflict;
  const served = isHiding ? `each leaves out something, and ${list.file} stays` : `${list.file} is`;
  return new CertmillError(
    'FAULT_STORE_CORRUPT',
    `${later.file}, crlNumber ${String(later.crlNumber)}, leaves out ${leftOut}, which ${other.file} ` +
      `lists: ${served} served (docs/runbooks/crl-old.md)`,
  );
}

function isWider(one: CaList, other: CaList): boolean {
  return leftOutBy(one, other).length === 0 && leftOutBy(other, one).length > 0;
}

function byNumber(one: CaList, other: CaList): number {
  return one.crlNumber < other.crlNumber ? -1 : one.crlNumber > other.crlNumber ? 1 : 0;
}

function bytesIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
