import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, isCertmillError } from '@certmill/domain';
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
import { recordIn } from './revocations-in-folder.js';
import { type RevokedCa, revokedCasFileName } from './revoked-cas.js';

/** A CRL of CA certificates that a data folder has, of whatever file. */
export interface CaList extends ImportedCrl {
  readonly file: string;
  /** It was taken in, and does not lie in a folder of the CA. */
  readonly isImported: boolean;
}

/** Which of the lists of a CA counts. */
export interface ChosenList {
  readonly list: CaList;
  /** Serial number, hex, of a certificate that the last one leaves out, and another one, or a record, has. */
  readonly conflict?: Loss & { readonly last: CaList };
  /** Each of the lists leaves out something that another one, or a record, has: this one does, too. */
  readonly isHiding: boolean;
}

interface Loss {
  readonly file: string;
  readonly leftOut: string;
}

/** What a folder of a CA has recorded as revoked. */
interface ListedRecord {
  readonly file: string;
  readonly revoked: readonly RevokedCa[];
}

interface KnownRecord {
  readonly stamp: string;
  readonly record: ListedRecord;
}

interface KnownChoice {
  readonly records: readonly ListedRecord[];
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
  readonly #records = new Map<string, KnownRecord>();
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
   * Those in the folders of the CA, whatever their names are, then those that were taken in by any name. What is no list,
   * or the CA has not signed, is none. Throws FAULT_STORE_CORRUPT where a file in a folder of the CA cannot be read.
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

  /**
   * The one of them that is served. Undefined where there is none. Throws as `of`, and where one that was taken in is
   * damaged: it may have been the last one.
   */
  chosenOf(ca: CaIdentity): ChosenList | undefined {
    const lists = this.of(ca);
    this.#assertNoneDamaged(ca, lists);
    const [first] = lists;
    if (first === undefined) return undefined;
    const records = this.#recordsOf(ca);
    const known = this.#chosen.get(first.file);
    if (known !== undefined && isChoiceOf(known, lists, records)) return known.chosen;
    const chosen = chosenList(lists, records);
    if (chosen !== undefined) this.#chosen.set(first.file, { lists, records, chosen });
    return chosen;
  }

  /** What is no certificate of a CA any more is known by the name of its file only. */
  #assertNoneDamaged(ca: CaIdentity, lists: readonly CaList[]): void {
    const names = new Set([...this.#cas.namesOf(ca), ...lists.map((list) => list.ca)]);
    const damaged = this.#imported
      .look()
      .damaged.find(
        ({ ca: name, signer }) =>
          names.has(name) || (signer !== undefined && isCrlOf({ signer }, ca)),
      );
    if (damaged !== undefined) throw damaged.error;
  }

  /** Those that can be read: who asks whether a CA is revoked hears of the others. */
  #recordsOf(ca: CaIdentity): readonly ListedRecord[] {
    return this.#cas.namesOf(ca).flatMap((name) => {
      const file = join(issuerPathsOf(this.#dataDirectory, name).directory, revokedCasFileName);
      const stamp = fileStamp(file);
      if (stamp === '') return [];
      const known = this.#records.get(name);
      if (known?.stamp === stamp) return [known.record];
      const own = identityOf(this.#certificateOf(name));
      if (own === undefined || !isSameCa(own, ca)) return [];
      try {
        const record = { file, revoked: recordIn(file, name) };
        this.#records.set(name, { stamp, record });
        return [record];
      } catch (error) {
        if (isCertmillError(error)) return [];
        throw error;
      }
    });
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

function isChoiceOf(
  known: KnownChoice,
  lists: readonly CaList[],
  records: readonly ListedRecord[],
): boolean {
  return (
    known.lists.length === lists.length &&
    known.records.length === records.length &&
    lists.every(({ der }, index) => der === known.lists[index]?.der) &&
    records.every((record, index) => record === known.records[index])
  );
}

/**
 * The list with the highest crlNumber of those that leave out nothing for good which another one has, or which was on
 * record before they were made: what was recorded since is told by the next one. Where each leaves out something, the first
 * one stays: it takes nobody back since then, and as it is not replaced it ends.
 */
export function chosenList(
  lists: readonly CaList[],
  records: readonly ListedRecord[] = [],
): ChosenList | undefined {
  const [last, ...more] = [...lists].sort(byNumber).reverse();
  if (last === undefined) return undefined;
  const loss = lossOf(last, lists, records);
  if (loss === undefined) return { list: last, isHiding: false };
  const conflict = { last, ...loss };
  const whole = more.find((list) => lossOf(list, lists, records) === undefined);
  if (whole !== undefined) return { list: whole, conflict, isHiding: false };
  // What is contained in a later one is only earlier.
  const widest = lists.filter((list) => !lists.some((other) => isWider(other, list)));
  return { list: [...widest].sort(byNumber)[0] ?? last, conflict, isHiding: true };
}

function lossOf(
  list: CaList,
  lists: readonly CaList[],
  records: readonly ListedRecord[],
): Loss | undefined {
  for (const { file, der, revoked } of lists) {
    const [leftOut] = isSameBytes(der, list.der) ? [] : leftOutBy(list, { revoked });
    if (leftOut !== undefined) return { file, leftOut };
  }
  for (const { file, revoked } of records) {
    const before = revoked.filter(({ revokedAtMs }) => revokedAtMs < list.thisUpdateMs);
    const recorded = new Map(before.map((entry) => [entry.serialNumberHex, entry]));
    const [leftOut] = leftOutBy(list, { revoked: recorded });
    if (leftOut !== undefined) return { file, leftOut };
  }
  return undefined;
}

/** FAULT_STORE_CORRUPT with the files, and what to do; undefined where the lists agree. */
export function conflictFault({ list, conflict, isHiding }: ChosenList): CertmillError | undefined {
  if (conflict === undefined) return undefined;
  const { last, file, leftOut } = conflict;
  const served = isHiding ? `none has all, and ${list.file} stays` : `${list.file} is`;
  return new CertmillError(
    'FAULT_STORE_CORRUPT',
    `${last.file}, crlNumber ${String(last.crlNumber)}, leaves out ${leftOut}, which ${file} ` +
      `has as revoked: ${served} served (docs/runbooks/crl-old.md)`,
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
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read`, { cause: error });
  }
}
