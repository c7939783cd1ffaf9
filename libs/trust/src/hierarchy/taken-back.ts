import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { crlSignatureVerdict, readCrl } from '../path/crl-status.js';
import { isSameBytes, readPathCertificate } from '../path/path-certificate.js';
import { nameText } from '../inspect/view.js';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { caCrlFileName } from './ca-crl-time.js';
import { retirementFileName } from './ca-description.js';
import { identityOf, isSameCa } from './cas-by-key.js';
import { firstCertificateIn } from './certificates-over-key.js';
import {
  type ImportedCrl,
  ImportedCrlFolder,
  importedCrlFileOf,
  importedCrlOf,
  isCrlOf,
  leftOutBy,
  signerIdentity,
} from './imported-crls.js';
import { formerChainsIn } from './former-chains.js';
import { formerFolderName, issuerPathsOf, rootName } from './issuer-paths.js';
import { type CaList, ListsOfCas } from './lists-of-ca.js';
import type { Issuer } from './load-issuers.js';
import { recordIn } from './revocations-in-folder.js';
import {
  isKeyLost,
  type RevokedCa,
  revokedBeforeFileName,
  revokedCasFileName,
} from './revoked-cas.js';

/** What tells an entry of a record from the others. */
const entryIds: Readonly<Record<string, (entry: RevokedCa) => string | undefined>> = {
  [revokedCasFileName]: ({ serialNumberHex }) => serialNumberHex,
  [revokedBeforeFileName]: ({ keySha256 }) => keySha256,
};

/**
 * CONFLICT where the public files of a CA would take back what a folder knows of it: a revocation or that a key is
 * lost, the crlNumber or an entry of its CRL, a chain that is in force since, or that it is closed. A file that does
 * not come stays as it is. FAULT_STORE_CORRUPT where a record is damaged.
 * @param there the CA in that folder.
 * @param cas all of the folder that the files come from, the CA among them.
 */
export function assertNoneTakenBack(there: Issuer, coming: Issuer, cas: readonly Issuer[]): void {
  for (const [file, idOf] of Object.entries(entryIds)) {
    if (!existsSync(join(coming.directory, file))) continue;
    const after = recordIn(join(coming.directory, file), coming.name);
    for (const entry of recordIn(join(there.directory, file), there.name)) {
      if (after.some((other) => idOf(other) === idOf(entry) && hasAllOf(other, entry))) continue;
      const { subject, serialNumberHex, reason } = entry;
      const what = `that ${subject} (${serialNumberHex}) is revoked: ${reason}`;
      throw takenBack(join(there.directory, file), what);
    }
  }
  if (there.retirement?.isClosed === true && coming.retirement?.isClosed === undefined) {
    if (coming.retirement !== undefined)
      throw takenBack(join(there.directory, retirementFileName), 'that the issuer is closed');
  }
  assertCrlKept(there, coming);
  assertChainKept(there, coming, cas);
}

/**
 * The same of the CRLs that were taken in: CONFLICT, too, where the one that is there, or a CA of its name, is another CA's.
 * What lies there damaged may be replaced. FAULT_STORE_CORRUPT where one that comes is damaged.
 */
export function assertNoImportedCrlTakenBack(into: string, directory: string): void {
  const after = new Map(new ImportedCrlFolder(directory).all().map((crl) => [crl.ca, crl]));
  for (const coming of after.values()) {
    const { directory: place, certificateFile } = issuerPathsOf(into, coming.ca);
    const there = identityOf(firstCertificateIn(certificateFile));
    if (there === undefined || isCrlOf(coming, there)) continue;
    throw new CertmillError(
      'CONFLICT',
      `${place} is of another CA than the CRL of ${coming.signer.subject} that comes by its name, and both would be ` +
        'served at one address: nothing is written',
    );
  }
  for (const there of new ImportedCrlFolder(into).readable()) {
    const coming = after.get(there.ca);
    if (coming === undefined || isSameBytes(there.der, coming.der)) continue;
    const file = importedCrlFileOf(into, there.ca);
    if (!isCrlOf(coming, signerIdentity(there.signer))) {
      throw takenBack(
        file,
        `the CRL of ${there.signer.subject}: the one that comes is another CA's`,
      );
    }
    const what = lossOf(there, coming);
    if (what !== undefined) {
      throw takenBack(file, `${what}; where the later list is meant, certmill crl import takes it`);
    }
  }
}

/**
 * The same of a CA whose list comes by another way than that which is there: from a folder of it, or taken in, by
 * whatever name. CONFLICT where the list that would be served of what comes leaves out what a list or a record there has.
 */
export function assertListsKept(into: string, directory: string, cas: readonly Issuer[]): void {
  const [there, coming] = [new ListsOfCas(into), new ListsOfCas(directory)];
  const imported = new ImportedCrlFolder(directory)
    .all()
    .map(({ signer }) => signerIdentity(signer));
  for (const ca of [...cas, ...imported]) {
    // Most CAs have no list: of those nothing else is read.
    const after = coming.chosenOf(ca)?.list;
    if (after === undefined) continue;
    const before = there.of(ca);
    const isHere = (list: CaList): boolean => before.some(({ der }) => isSameBytes(der, list.der));
    if (coming.of(ca).every(isHere)) continue;
    for (const list of before) {
      const [left] = leftOutBy(after, list);
      // An earlier one that is all in the list there is not served.
      const isBehind = after.crlNumber < list.crlNumber && leftOutBy(list, after).length === 0;
      if (left !== undefined && !isBehind) throw takenBack(list.file, `that its CRL lists ${left}`);
    }
    if (isHere(after) || before.some(({ crlNumber }) => crlNumber > after.crlNumber)) continue;
    for (const name of there.namesOf(ca)) {
      const file = join(issuerPathsOf(into, name).directory, revokedCasFileName);
      const recorded = recordIn(file, name).map((entry) => [entry.serialNumberHex, entry] as const);
      const [left] = leftOutBy(after, { revoked: new Map(recorded) });
      if (left !== undefined) throw takenBack(file, `that ${left} is revoked`);
    }
  }
}

function hasAllOf(after: RevokedCa, before: RevokedCa): boolean {
  return (
    (before.keySha256 === undefined || after.keySha256 === before.keySha256) &&
    (!isKeyLost(before) || isKeyLost(after))
  );
}

function assertCrlKept(there: Issuer, coming: Issuer): void {
  const before = caCrlOf(there);
  const file = join(there.directory, caCrlFileName);
  if (before === undefined || !existsSync(join(coming.directory, caCrlFileName))) return;
  const after = caCrlOf(coming);
  const what =
    after === undefined
      ? `its CRL ${String(before.crlNumber)}: the one that comes is damaged`
      : lossOf(before, after);
  if (what !== undefined) throw takenBack(file, what);
}

/** The CRL in the folder of a CA; undefined where there is none, or the CA has not signed it. */
function caCrlOf({ name, directory, chainDer }: Issuer): ImportedCrl | undefined {
  const file = join(directory, caCrlFileName);
  const signer = chainDer[0] && readPathCertificate(chainDer[0]);
  const crl = existsSync(file) ? readCrl(readFileSync(file)) : undefined;
  if (signer === undefined || crl === undefined) return undefined;
  return crlSignatureVerdict(crl, signer) === 'good' ? importedCrlOf(name, signer, crl) : undefined;
}

function lossOf(before: ImportedCrl, after: ImportedCrl): string | undefined {
  if (after.crlNumber < before.crlNumber) {
    return `crlNumber ${String(before.crlNumber)}: that of the CRL that comes is ${String(after.crlNumber)}`;
  }
  const [left] = leftOutBy(after, before);
  if (left !== undefined) return `that its CRL lists ${left}`;
  for (const serialNumberHex of before.losses.listed.keys()) {
    const isKnown = after.losses.listed.has(serialNumberHex);
    if (!isKnown) return `that its CRL lists ${serialNumberHex} with a key that is lost`;
  }
  return undefined;
}

/**
 * A chain is known to who has a later one: it is kept in `former/`, that of a CA above too. Where neither side keeps the
 * certificate of a CA above that the other has, their dates tell.
 */
function assertChainKept(there: Issuer, coming: Issuer, cas: readonly Issuer[]): void {
  const [before = new Uint8Array(), ...above] = there.chainDer;
  const [after = new Uint8Array(), ...comingAbove] = coming.chainDer;
  if (!isSameBytes(before, after)) {
    if (isFormerOf(coming, before)) return;
    const what = `the certificate ${there.serialNumberHex}, which is in force`;
    throw takenBack(there.chainFile, what, wayOf(there, coming));
  }
  const inChain = cas.filter(({ name }) => name === coming.name || coming.above.includes(name));
  const inPlace = comingAbove.map((der) => readCaCertificate(der, coming.chainFile));
  for (const certificate of above.map((der) => readCaCertificate(der, there.chainFile))) {
    const other = inPlace.find((one) => isSameCa(one, certificate));
    if (other === undefined || isSameBytes(other.der, certificate.der)) continue;
    if (inChain.some((ca) => hasStoodUnder(ca, certificate.der))) continue;
    if (!hasStoodUnder(there, other.der) && !isEarlier(other, certificate)) continue;
    const name = `${nameText(certificate.subjectDer)} (${hexOf(certificate)})`;
    const what = `the later certificate of ${name} above it`;
    throw takenBack(there.chainFile, what, wayOf(there, coming));
  }
}

/** How a folder that has gone another way comes to keep the chain that is there. */
function wayOf({ name, chainFile, serialNumberHex }: Issuer, { directory }: Issuer): string {
  if (name !== rootName) {
    return `; take that chain in first: certmill ca complete ${name} --chain ${chainFile}`;
  }
  const kept = join(directory, formerFolderName, `${serialNumberHex}.pem`);
  return `; where what is exported has gone on from an older copy, copy that file first, to ${kept}`;
}

/** A renewal may keep the beginning, and end earlier: this is told of those that nobody keeps. */
function isEarlier(one: CaCertificate, other: CaCertificate): boolean {
  const begins = one.notBeforeMs - other.notBeforeMs;
  const ends = one.notAfterMs - other.notAfterMs;
  return begins <= 0 && ends <= 0 && begins + ends < 0;
}

function isFormerOf({ directory }: Issuer, der: Uint8Array): boolean {
  const serialNumberHex = hexOf(readCaCertificate(der, 'a certificate before'));
  const kept = firstCertificateIn(join(directory, formerFolderName, `${serialNumberHex}.pem`));
  return kept !== undefined && isSameBytes(kept, der);
}

/** Whether a CA had the certificate, or one above it had, before. */
function hasStoodUnder(ca: Issuer, der: Uint8Array): boolean {
  if (isFormerOf(ca, der)) return true;
  const { chains } = formerChainsIn(ca.directory);
  const inForce = ca.chainDer.some((other) => isSameBytes(other, der));
  return !inForce && chains.some((chain) => chain.some((other) => isSameBytes(other.der, der)));
}

function hexOf({ serialNumber }: Pick<CaCertificate, 'serialNumber'>): string {
  return Buffer.from(serialNumber).toString('hex');
}

/** @param way out, to stand behind. */
function takenBack(file: string, what: string, way = ''): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `${file} would lose ${what}; what is exported is older, or has gone another way: nothing is written${way}`,
  );
}
