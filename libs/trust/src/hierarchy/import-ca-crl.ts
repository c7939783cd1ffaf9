import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assertName, CertmillError } from '@certmill/domain';
import { publicFileMode, syncDirectory, writeFileAtomically } from '../atomic-file.js';
import { nameView } from '../inspect/view.js';
import {
  certificateUris,
  crlFindings,
  crlLapseOf,
  type ReadCrl,
  readCrl,
} from '../path/crl-status.js';
import {
  isSameBytes,
  type PathCertificate,
  readPathCertificate,
} from '../path/path-certificate.js';
import { type CaIdentity, isSameCa } from './cas-by-key.js';
import { certificatesIn, firstCertificateIn, pemsIn } from './certificates-over-key.js';
import { withCaLock } from './folder-lock.js';
import {
  type ImportedCrl,
  ImportedCrlFolder,
  importedCrlFileOf,
  importedCrlOf,
  importedCrlsFolderOf,
  importedCrlText,
  isCrlOf,
  leftOutBy,
  maxImportedCrlBytes,
  signerIdentity,
} from './imported-crls.js';
import { alternativeFolderName, formerFolderName } from './issuer-paths.js';
import { type CaList, ListsOfCas } from './lists-of-ca.js';
import { isKeyAtHand, type Issuer, loadAuthorities } from './load-issuers.js';
import { caRequestsFolderName } from './request-authority.js';
import { revokedCasFileName } from './revoked-cas.js';

export interface CrlImportOptions {
  /** The data folder, or a fleet's trust folder. */
  readonly directory: string;
  readonly crlDer: Uint8Array;
  /** The name by which it is served; default: what the certificates below the CA say. */
  readonly name?: string;
  /** The name where nothing says one; with a number behind it where that is another CA's, or in the address of its CRL. */
  readonly otherwise?: string;
  /** A CA certificate that the list is about and the CA that signed it, DER, where no chain of the folder has them. */
  readonly about?: { readonly certificateDer: Uint8Array; readonly signerDer: Uint8Array };
  /** Serial numbers, hex, of certificates that the list before revoked: this one may leave them out. */
  readonly released?: readonly string[];
  readonly nowMs: number;
}

export interface CrlImport {
  readonly crl: ImportedCrl;
  /** False where this very list is here already. */
  readonly isNew: boolean;
  /** CAs of the folder that are revoked by it, or stand below one. */
  readonly revoked: readonly Issuer[];
}

/**
 * Takes in the CRL of a CA whose key is kept elsewhere, such as an offline root: what it revokes signs
 * nothing here any more. It has to be signed by a CA above one of this folder, or one whose list is here already, be about
 * CA certificates, be in force now, and be later than each one of the CA that is here (crlNumber, RFC 5280 5.2.3). Durable
 * before it resolves; repeating it is success. INVALID_INPUT with the reason; CONFLICT for an earlier list, for one
 * that leaves out a certificate which one of those, or a record of the CA here, has revoked, for a name that another CA
 * has, and for a CA that has its key here.
 */
export async function importCaCrl(options: CrlImportOptions): Promise<CrlImport> {
  const { directory, crlDer } = options;
  if (crlDer.length > maxImportedCrlBytes) throw refused('has more than 16 MiB');
  const crl = readCrl(Uint8Array.from(crlDer));
  if (crl === undefined) throw new CertmillError('INVALID_INPUT', 'this is no CRL in DER');
  return withCaLock(directory, async () => {
    const authorities = await loadAuthorities(directory);
    const known = new ImportedCrlFolder(directory).all();
    const links = linksOf(authorities, known, options);
    const { signer, child } = signerOf(crl, links, Math.floor(options.nowMs / 1_000));
    const name = nameOf(options, { signer, child }, authorities, known);
    const imported = importedCrlOf(name, signer, crl);
    if (imported === undefined) throw refused('has no crlNumber (RFC 5280 5.2.3), or a bad entry');
    const behind = namesBehind(imported, known);
    const isNew = behind.length > 0;
    if (isNew) {
      const same = signerIdentity(signer);
      for (const before of new ListsOfCas(directory).of(same)) {
        if (isSameBytes(before.der, imported.der)) continue;
        assertLater(imported, before);
        assertNoneReleased(imported, before, before.isImported ? (options.released ?? []) : []);
      }
      for (const ca of authorities) if (isSameCa(ca, same)) assertRecordKept(imported, ca);
      await mkdir(importedCrlsFolderOf(directory), { recursive: true, mode: 0o755 });
      await syncDirectory(directory);
      for (const ca of behind) {
        const file = importedCrlFileOf(directory, ca);
        await writeFileAtomically(file, importedCrlText(imported), publicFileMode);
      }
    }
    const after = await loadAuthorities(directory);
    return { crl: imported, isNew, revoked: after.filter((ca) => isRevokedBy(ca, imported)) };
  });
}

interface Link {
  readonly child: PathCertificate;
  readonly signer: PathCertificate;
}

/** The CA that signed the list, above a certificate that the list is about. */
function signerOf(crl: ReadCrl, links: Iterable<Link>, atSeconds: number): Link {
  let problem = `the CRL is of ${nameView(crl.issuer)}, and no CA here was signed by that`;
  for (const link of links) {
    if (!isSameBytes(link.signer.certificate.subject.der, crl.issuer.der)) continue;
    if (crl.baseCrlNumber !== undefined) throw refused('is a delta CRL: take in the full one');
    const [finding] = crlFindings(link.child, link.signer, [crl], atSeconds);
    if (finding === undefined) {
      problem = 'the CRL is not about the CA certificates here (issuingDistributionPoint)';
    } else if (finding.state === 'unusable') {
      problem = `the CRL cannot be relied on: ${finding.detail}`;
    } else {
      const lapse = crlLapseOf(crl, atSeconds);
      if (lapse === undefined) return link;
      problem = `the CRL cannot be relied on: ${lapse}`;
    }
  }
  throw new CertmillError('INVALID_INPUT', problem);
}

/** Each certificate that stands in a chain, with the one above it: those in force first. Then the CAs whose lists are here. */
function* linksOf(
  authorities: readonly Issuer[],
  known: readonly ImportedCrl[],
  { about }: Pick<CrlImportOptions, 'about'>,
): Generator<Link> {
  const read = new Map<string, PathCertificate | undefined>();
  const certificateOf = (der: Uint8Array | undefined): PathCertificate | undefined => {
    if (der === undefined) return undefined;
    const key = Buffer.from(der).toString('latin1');
    if (!read.has(key)) read.set(key, readPathCertificate(der));
    return read.get(key);
  };
  const told = about === undefined ? [] : [{ chainDer: [about.certificateDer, about.signerDer] }];
  for (const { chainDer } of [...authorities, ...told, ...authorities.flatMap(alternativesOf)]) {
    for (const [index, der] of chainDer.entries()) {
      const [child, signer] = [certificateOf(der), certificateOf(chainDer[index + 1])];
      if (child !== undefined && signer !== undefined) yield { child, signer };
    }
  }
  for (const { signer } of known) yield { child: signer, signer };
}

/** A root that has cross-certified a CA is above it, too. */
function alternativesOf({
  directory,
}: Issuer): readonly { readonly chainDer: readonly Uint8Array[] }[] {
  return pemsIn(join(directory, alternativeFolderName)).map((file) => ({
    chainDer: certificatesIn(file),
  }));
}

const caCrlPath = /\/crl\/([^/]+)\/ca\.crl$/;

/** The name of its CA in the address where a certificate says that the CRL is. */
function nameToldIn(child: PathCertificate): string | undefined {
  return certificateUris(child).flatMap((uri) => caCrlPath.exec(uri)?.[1] ?? [])[0];
}

/** The names that certificates here tell of other CAs: verifiers would take the list that is served there for theirs. */
function namesToldOfOthers(
  same: CaIdentity,
  links: Iterable<Link>,
  authorities: readonly Issuer[],
): ReadonlySet<string> {
  const children: PathCertificate[] = [];
  for (const { child, signer } of links) {
    if (!isSameCa(signerIdentity(signer), same)) children.push(child);
  }
  for (const { directory } of authorities) {
    for (const file of pemsIn(join(directory, formerFolderName))) {
      const der = firstCertificateIn(file);
      const former = der && readPathCertificate(der);
      // Those who signed it may not be here.
      if (former === undefined || isSameBytes(former.certificate.issuer.der, same.subjectDer))
        continue;
      children.push(former);
    }
  }
  return new Set(children.flatMap((child) => nameToldIn(child) ?? []));
}

function nameOf(
  {
    directory,
    name: wanted,
    otherwise,
    about,
  }: Pick<CrlImportOptions, 'directory' | 'name' | 'otherwise' | 'about'>,
  { signer, child }: Link,
  authorities: readonly Issuer[],
  known: readonly ImportedCrl[],
): string {
  const same = signerIdentity(signer);
  const isSigner = (ca: CaIdentity): boolean => isSameCa(ca, same);
  const owns = authorities.filter(isSigner);
  const withKey = owns.find(isKeyAtHand);
  if (withKey !== undefined) {
    throw new CertmillError(
      'CONFLICT',
      `CA '${withKey.name}' has its key here, and makes its own: certmill ca crl ${withKey.name}`,
    );
  }
  const before = known.find((crl) => isCrlOf(crl, same));
  const fixed = owns[0]?.name ?? before?.ca;
  if (fixed !== undefined && wanted !== undefined && wanted !== fixed) {
    throw new CertmillError(
      'CONFLICT',
      `the CA that signed the CRL is here by the name '${fixed}'`,
    );
  }
  const isTaken = (name: string): boolean =>
    authorities.some((ca) => ca.name === name && !isSigner(ca)) ||
    known.some((crl) => crl.ca === name && !isCrlOf(crl, same)) ||
    (fixed === undefined && existsSync(join(directory, caRequestsFolderName, name)));
  const firstFree = (): string | undefined => {
    if (otherwise === undefined) return undefined;
    const links = linksOf(authorities, known, about === undefined ? {} : { about });
    const told = namesToldOfOthers(same, links, authorities);
    return numbered(otherwise, (free) => isTaken(free) || told.has(free));
  };
  const name = fixed ?? wanted ?? nameToldIn(child) ?? firstFree();
  if (name === undefined) {
    throw new CertmillError('INVALID_INPUT', 'say by which name the CRL is served: --as NAME');
  }
  assertName('CA', name);
  if (isTaken(name)) throw new CertmillError('CONFLICT', `another CA has the name '${name}'`);
  return name;
}

function numbered(name: string, isTaken: (name: string) => boolean): string {
  let free = name;
  for (let number = 2; isTaken(free); number += 1) free = `${name}-${String(number)}`;
  return free;
}

function assertLater({ crlNumber, thisUpdateMs }: ImportedCrl, before: CaList): void {
  if (crlNumber > before.crlNumber && thisUpdateMs >= before.thisUpdateMs) return;
  throw new CertmillError(
    'CONFLICT',
    `the CRL has number ${String(crlNumber)}, and the one that is here ${String(before.crlNumber)}, ` +
      `${before.file}: a later one does not go back`,
  );
}

/** The names by which a CRL of the CA was taken in, and its own: those where another list lies. */
function namesBehind(crl: ImportedCrl, known: readonly ImportedCrl[]): readonly string[] {
  const same = signerIdentity(crl.signer);
  const before = new Map(known.map((other) => [other.ca, other]));
  const names = known.filter((other) => isCrlOf(other, same)).map(({ ca }) => ca);
  return [...new Set([crl.ca, ...names])].filter((name) => {
    const der = before.get(name)?.der;
    return der === undefined || !isSameBytes(der, crl.der);
  });
}

/** As many serial numbers as a message has. */
const namedReleases = 5;

/**
 * RFC 5280 3.3: revoked is for good, certificateHold apart. That a certificate has ended, and may leave
 * for that, is not taken from a clock, neither ours nor that of who made the list: one that was ahead
 * once would release a CA.
 */
function assertNoneReleased(crl: ImportedCrl, before: CaList, released: readonly string[]): void {
  const allowed = new Set(released.map(serialNumberOf));
  const missing = leftOutBy(crl, before).filter((serial) => !allowed.has(serialNumberOf(serial)));
  if (missing.length === 0) return;
  const way = before.isImported
    ? `where each has expired, or may sign again, name it (--released SERIAL); else ${revokedAgain}`
    : revokedAgain;
  throw new CertmillError(
    'CONFLICT',
    `the CRL leaves out what the one that is here revokes, ${before.file}: ${someOf(missing)}; ${way}`,
  );
}

/** What a CA of Certmill has revoked stays in its lists for good: the folder that made this one has lost it. */
function assertRecordKept(crl: ImportedCrl, { name, directory, revokedCas }: Issuer): void {
  const recorded = { revoked: new Map(revokedCas.map((entry) => [entry.serialNumberHex, entry])) };
  const missing = leftOutBy(crl, recorded);
  if (missing.length === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `the CRL leaves out what CA '${name}' has revoked, ${join(directory, revokedCasFileName)}: ` +
      `${someOf(missing)}; ${revokedAgain}; until then, stop here what it newly revokes by the same command`,
  );
}

const revokedAgain =
  'where it was made, revoke each again (certmill ca revoke --certificate), and make the next CRL';

function someOf(serials: readonly string[]): string {
  const more = serials.length - namedReleases;
  const some = serials.slice(0, namedReleases).join(', ');
  return more > 0 ? `${some} and ${String(more)} more` : some;
}

/** As people and tools write it: letters of either case, colons, leading zeros. */
function serialNumberOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(':', '')
    .replace(/^0+(?=.)/, '');
}

function isRevokedBy({ revoked }: Issuer, crl: ImportedCrl): boolean {
  const entry = revoked && crl.revoked.get(revoked.serialNumberHex);
  return entry !== undefined && entry.revokedAtMs === revoked?.revokedAtMs;
}

function refused(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the CRL ${reason}`);
}
