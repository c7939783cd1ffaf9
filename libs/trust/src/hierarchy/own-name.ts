import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { CertmillError, isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { type CaCertificate, certificatesInPem, readCaCertificate } from './ca-certificate.js';
import { isSameName, nameKeyOf } from './distinguished-name.js';
import { readCaFiles } from './ca-files.js';
import { nameText } from '../inspect/view.js';
import { caDirectoryOf, issuerPathsOf } from './issuer-paths.js';

/** A CA that is to be made; a key that is not there yet is another one than all others. */
export interface NewCaName {
  readonly subjectDer: Uint8Array;
  readonly spkiDer?: Uint8Array;
  /** The CA of the folder whose new key it is: they have one subject. */
  readonly rekeys?: string;
}

/**
 * CONFLICT where another CA of the folder has the subject and another key: chains, CRLs and OCSP answers are
 * found by the name of the issuer first (RFC 5280 4.1.2.6, 6.3.3; RFC 6960 4.1.1). Two may have it where
 * one is the new key of the other: key identifiers tell them apart (RFC 5280 4.2.1.1). CONFLICT, too, where
 * the other has another new key already. FAULT_STORE_CORRUPT where a file of the folder cannot be read.
 */
export function assertOwnName(
  dataDirectory: string,
  { subjectDer, spkiDer, rekeys }: NewCaName,
): void {
  const isNewKey = rekeys !== undefined && hasSubject(dataDirectory, rekeys, subjectDer);
  for (const name of namesIn(dataDirectory)) {
    const ca = certificateIn(dataDirectory, name);
    if (ca === undefined || !isSameName(ca.subjectDer, subjectDer)) continue;
    if (spkiDer !== undefined && Buffer.compare(ca.spkiDer, spkiDer) === 0) continue;
    // Those that the one before has taken the place of have its name too.
    if (isNewKey) {
      if (rekeysOf(dataDirectory, name) === rekeys) throw hasNewKey(rekeys, name);
      continue;
    }
    throw new CertmillError(
      'CONFLICT',
      `CA '${name}' has the subject ${ca.subject} and another key: give the new one another subject, or ` +
        `CA '${name}' a new key: certmill ca rekey ${name}`,
    );
  }
}

/** A CA that was made before, with what it says of itself. */
export interface FormerCa extends Pick<NewCaName, 'subjectDer' | 'rekeys'> {
  readonly name: string;
  readonly spkiDer: Uint8Array;
}

/**
 * The same of CAs that come back, all at once: CONFLICT where one of the folder, or another of those that come, has
 * the subject of one and another key, and they are not keys of one CA that followed each other.
 */
export function assertOwnNames(dataDirectory: string, coming: readonly FormerCa[]): void {
  const comingBySubject = bySubject(coming);
  const there = namesIn(dataDirectory).flatMap((name): readonly FormerCa[] => {
    const ca = certificateIn(dataDirectory, name);
    if (ca === undefined || !comingBySubject.has(nameKeyOf(ca.subjectDer))) return [];
    const rekeys = rekeysOf(dataDirectory, name);
    const { subjectDer, spkiDer } = ca;
    return [{ name, subjectDer, spkiDer, ...(rekeys === undefined ? {} : { rekeys }) }];
  });
  const all = [...there, ...coming];
  const allBySubject = bySubject(all);
  const rekeyed = new Map(all.map(({ name, rekeys }) => [name, rekeys]));
  for (const ca of coming) {
    const other = allBySubject
      .get(nameKeyOf(ca.subjectDer))
      ?.find(
        (one) =>
          Buffer.compare(one.spkiDer, ca.spkiDer) !== 0 &&
          firstKeyOf(one.name, rekeyed) !== firstKeyOf(ca.name, rekeyed),
      );
    if (other === undefined) continue;
    throw new CertmillError(
      'CONFLICT',
      `CA '${other.name}' has the subject ${nameText(ca.subjectDer)} as '${ca.name}' has, and another key: ` +
        'they cannot be in one folder',
    );
  }
}

function bySubject(cas: readonly FormerCa[]): ReadonlyMap<string, readonly FormerCa[]> {
  return Map.groupBy(cas, ({ subjectDer }) => nameKeyOf(subjectDer));
}

/** The CA whose key others have followed, whether or not it is there itself. */
function firstKeyOf(name: string, rekeyed: ReadonlyMap<string, string | undefined>): string {
  const seen = new Set<string>();
  let first = name;
  for (let before = rekeyed.get(name); before !== undefined; before = rekeyed.get(before)) {
    // Files from elsewhere may say anything.
    if (seen.has(before)) break;
    seen.add(before);
    first = before;
  }
  return first;
}

function hasSubject(dataDirectory: string, name: string, subjectDer: Uint8Array): boolean {
  const ca = certificateIn(dataDirectory, name);
  return ca !== undefined && isSameName(ca.subjectDer, subjectDer);
}

export function hasNewKey(name: string, successor: string): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `CA '${name}' is followed by '${successor}' with a new key: give that one another: certmill ca rekey ${successor}`,
  );
}

function rekeysOf(dataDirectory: string, name: string): string | undefined {
  return readCaFiles(issuerPathsOf(dataDirectory, name), name).description?.rekeys;
}

function namesIn(dataDirectory: string): readonly string[] {
  try {
    return readdirSync(caDirectoryOf(dataDirectory)).filter(isName).sort();
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function certificateIn(dataDirectory: string, name: string): CaCertificate | undefined {
  const { certificateFile } = issuerPathsOf(dataDirectory, name);
  if (!existsSync(certificateFile)) return undefined;
  try {
    const [der] = certificatesInPem(readFileSync(certificateFile, 'utf8'));
    return der && readCaCertificate(der, `the certificate of CA '${name}'`);
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${certificateFile} cannot be read`, { cause });
  }
}
