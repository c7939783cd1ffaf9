import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, isCertmillError, isName } from '@certmill/domain';
import { pemEncode, walkCrlEntries } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { type PemBlock, pemBlocksOf } from '../inspect/pem-blocks.js';
import { extensionsOf } from '../inspect/extension-view.js';
import { readDerNode } from '../lint/der-node.js';
import { type ReadCrl, readCrl, reasonOf, signatureProblemOf } from '../path/crl-status.js';
import { type PathCertificate, readPathCertificate } from '../path/path-certificate.js';
import { hasSigned } from '../path/verify-signature.js';
import { type CaCertificate, certificatesInPem } from './ca-certificate.js';
import { type CaIdentity, isSameCa } from './cas-by-key.js';
import { type CrlListing, CrlLosses, listedCa } from './crl-losses.js';
import { fileStamp } from './file-stamp.js';
import { keySha256Of } from './lost-keys.js';
import type { RevokedCa } from './revoked-cas.js';

/** Beside `ca`, for a CA of any name may lie there. */
export const importedCrlsFolderName = 'ca-crls';
const suffix = '.pem';
const mending = 'put a copy of it back (docs/runbooks/crl-old.md)';
/** Of CA certificates: longer is a list of something else. */
export const maxImportedCrlBytes = 16 * 1024 * 1024;

/** A CRL that another machine has made, of a CA whose key is not here, as it was taken in. */
export interface ImportedCrl {
  /** The name by which it is served. */
  readonly ca: string;
  readonly signer: PathCertificate;
  readonly der: Uint8Array;
  readonly crlNumber: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** By serial number: content of its INTEGER in hex. */
  readonly revoked: ReadonlyMap<string, CrlListing>;
  readonly losses: CrlLosses;
}

/** A file, or their folder, that is not what was taken in: nobody knows what it revokes. */
export interface DamagedCrl {
  /** The name by which it would be served. */
  readonly ca: string;
  /** FAULT_STORE_CORRUPT with the path, and what to do. */
  readonly error: CertmillError;
  /** The CA whose CRL it was, where a certificate in the file tells. */
  readonly signer?: PathCertificate;
}

export interface ImportedCrls {
  readonly crls: readonly ImportedCrl[];
  readonly damaged: readonly DamagedCrl[];
}

interface KnownFile {
  readonly stamp: string;
  readonly found: ImportedCrl | DamagedCrl;
}

export function importedCrlsFolderOf(dataDirectory: string): string {
  return join(dataDirectory, importedCrlsFolderName);
}

export function importedCrlFileOf(dataDirectory: string, ca: string): string {
  return join(importedCrlsFolderOf(dataDirectory), `${ca}${suffix}`);
}

/** What lies in the file: one that replaces the other appears with both. */
export function importedCrlText({ signer, der }: Pick<ImportedCrl, 'signer' | 'der'>): string {
  return pemEncode('CERTIFICATE', signer.der) + pemEncode('X509 CRL', der);
}

/** The imported CRLs of a data folder as they are now; a file that did not change is not read again. */
export class ImportedCrlFolder {
  readonly #dataDirectory: string;
  readonly #known = new Map<string, KnownFile>();

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
  }

  /** Changes whenever a CRL is taken in, or is written over in its place. Empty while there was none. */
  stamp(): string {
    try {
      const folder = stampOfFile(importedCrlsFolderOf(this.#dataDirectory));
      const files = this.#names().map((ca) =>
        stampOfFile(importedCrlFileOf(this.#dataDirectory, ca)),
      );
      return folder === '' ? '' : [folder, ...files].join();
    } catch (error) {
      if (isCertmillError(error)) return 'unreadable';
      throw error;
    }
  }

  /** By name. Throws FAULT_STORE_CORRUPT where a file, or the folder, is damaged or cannot be read. */
  all(): readonly ImportedCrl[] {
    const { crls, damaged } = this.look();
    const [first] = damaged;
    if (first !== undefined) throw first.error;
    return crls;
  }

  /** By name. What is damaged or cannot be read hides nothing else, and who must know whom it revokes asks `mayRevoke`. */
  look(): ImportedCrls {
    const crls: ImportedCrl[] = [];
    const damaged: DamagedCrl[] = [];
    for (const ca of this.#namesOrNone(damaged)) {
      const found = this.#find(ca);
      if ('error' in found) damaged.push(found);
      else crls.push(found);
    }
    return { crls, damaged };
  }

  /** The same without what is damaged. Throws as `all`, of the folder. */
  readable(): readonly ImportedCrl[] {
    return this.#names().flatMap((ca) => {
      const found = this.#find(ca);
      return 'error' in found ? [] : [found];
    });
  }

  /** Undefined where none was taken in by the name. Throws as `all`, of its file. */
  named(ca: string): ImportedCrl | undefined {
    const found = this.#names().includes(ca) ? this.#find(ca) : undefined;
    if (found !== undefined && 'error' in found) throw found.error;
    return found;
  }

  #namesOrNone(damaged: DamagedCrl[]): readonly string[] {
    try {
      return this.#names();
    } catch (error) {
      if (!isCertmillError(error)) throw error;
      damaged.push({ ca: importedCrlsFolderName, error });
      return [];
    }
  }

  #names(): readonly string[] {
    const folder = importedCrlsFolderOf(this.#dataDirectory);
    try {
      return readdirSync(folder)
        .filter((file) => file.endsWith(suffix) && isName(file.slice(0, -suffix.length)))
        .map((file) => file.slice(0, -suffix.length))
        .sort();
    } catch (error) {
      if (isErrorCode(error, 'ENOENT')) return [];
      throw unreadable(folder, error);
    }
  }

  #find(ca: string): ImportedCrl | DamagedCrl {
    const file = importedCrlFileOf(this.#dataDirectory, ca);
    try {
      const stamp = stampOfFile(file);
      const known = this.#known.get(ca);
      if (known?.stamp === stamp) return known.found;
      const bytes = bytesOf(file);
      const found = readImportedCrl(ca, bytes) ?? damagedCrl(ca, file, bytes);
      this.#known.set(ca, { stamp, found });
      return found;
    } catch (error) {
      if (isCertmillError(error)) return { ca, error };
      throw error;
    }
  }
}

/**
 * What the CRLs say of a chain: of the CA, or of the nearest one above it that is revoked. A CA is so, too, where they
 * list another certificate over its key because the key is lost.
 * @param folders that keep certificates by their serial numbers, others of the CA among them.
 * @param twins certificates that are in force of the same CA by other names.
 */
export function revocationIn(
  chain: readonly CaCertificate[],
  crls: readonly ImportedCrl[],
  folders: readonly string[],
  twins: readonly CaCertificate[],
): RevokedCa | undefined {
  if (crls.length === 0) return undefined;
  for (const [index, ca] of chain.slice(0, -1).entries()) {
    const signer = chain[index + 1];
    for (const crl of crls) {
      if (signer === undefined || !isCrlOf(crl, signer)) continue;
      const found =
        revocationOf(crl, ca) ?? (index === 0 ? lossOf(crl, ca, folders, twins) : undefined);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Undefined where the bytes are not what `importedCrlText` makes, or the signature does not verify. */
function readImportedCrl(ca: string, bytes: Uint8Array): ImportedCrl | undefined {
  const [certificate, list, ...more] = importedBlocks(bytes);
  const signer = certificate && readPathCertificate(certificate.der);
  const crl = list && readCrl(list.der);
  if (signer === undefined || crl === undefined || more.length > 0) return undefined;
  return signatureProblemOf(crl, signer) === undefined ? importedCrlOf(ca, signer, crl) : undefined;
}

function damagedCrl(ca: string, file: string, bytes: Uint8Array): DamagedCrl {
  const [der] = certificatesInPem(Buffer.from(bytes).toString('latin1'));
  const signer = der && readPathCertificate(der);
  const what = signer === undefined ? '' : `, the CRL of ${signer.subject},`;
  const error = new CertmillError('FAULT_STORE_CORRUPT', `${file}${what} is damaged: ${mending}`);
  return { ca, error, ...(signer === undefined ? {} : { signer }) };
}

/**
 * Whether it is not certain that a CRL which is damaged has nothing to say of a chain. What the certificate in the file
 * says of whose it was counts where it is of a CA of the chain, where its own signature shows that it is whole, or
 * where it is of a CA that is known otherwise.
 */
export function mayRevoke(
  { signer }: DamagedCrl,
  chain: readonly CaCertificate[],
  isKnown: (ca: CaIdentity) => boolean,
): boolean {
  const above = chain.slice(1);
  if (above.length === 0) return false;
  if (signer === undefined || above.some((ca) => isCrlOf({ signer }, ca))) return true;
  if (hasSigned(signer.publicKey, signer)) return false;
  return !isKnown(signerIdentity(signer));
}

/** What lies in such a file, signer first; none where it is damaged. */
function importedBlocks(bytes: Uint8Array): readonly PemBlock[] {
  try {
    return pemBlocksOf(bytes);
  } catch (error) {
    if (isCertmillError(error)) return [];
    throw error;
  }
}

/** Undefined where the list has no number, or an entry cannot be read. */
export function importedCrlOf(
  ca: string,
  signer: PathCertificate,
  crl: ReadCrl,
): ImportedCrl | undefined {
  const { der, walk, crlNumber } = crl;
  const revoked = crlListings(crl);
  if (revoked === undefined || crlNumber === undefined) return undefined;
  const thisUpdateMs = walk.thisUpdateSeconds * 1_000;
  const nextUpdateMs = walk.nextUpdateSeconds * 1_000;
  const losses = new CrlLosses(signer.certificate.subject.der, revoked);
  return { ca, signer, der, crlNumber, thisUpdateMs, nextUpdateMs, revoked, losses };
}

/** What it lists, by serial number in hex; undefined where its entries cannot be read. */
export function crlListings({ der, walk }: ReadCrl): ReadonlyMap<string, CrlListing> | undefined {
  const revoked = new Map<string, CrlListing>();
  const failure = walkCrlEntries(der, walk, (entry) => {
    const extensions =
      entry.extensionsStart < 0
        ? []
        : extensionsOf(readDerNode(der.subarray(entry.extensionsStart, entry.extensionsEnd)));
    const reason = reasonOf(extensions) ?? 'unspecified';
    if (reason === 'removeFromCRL') return true;
    const serialNumber = der.subarray(entry.serialNumberStart, entry.serialNumberEnd);
    const revokedAtMs = entry.revocationDateSeconds * 1_000;
    revoked.set(hexOf(serialNumber), { reason, revokedAtMs });
    return true;
  });
  return failure === undefined ? revoked : undefined;
}

/** Serial numbers, hex, of certificates that a CRL leaves out and one before has revoked for good. */
export function leftOutBy(
  { revoked }: Pick<ImportedCrl, 'revoked'>,
  before: Pick<ImportedCrl, 'revoked'>,
): readonly string[] {
  return [...before.revoked]
    .filter(([serial, { reason }]) => reason !== 'certificateHold' && !revoked.has(serial))
    .map(([serial]) => serial);
}

export function signerIdentity({ certificate, subjectPKInfoDer }: PathCertificate): CaIdentity {
  return { subjectDer: certificate.subject.der, spkiDer: subjectPKInfoDer };
}

/** Same name and key: a CA that was renewed is the same one. */
export function isCrlOf(
  { signer }: Pick<ImportedCrl, 'signer'>,
  ca: Pick<CaCertificate, 'subjectDer' | 'spkiDer'>,
): boolean {
  return isSameCa(signerIdentity(signer), ca);
}

function revocationOf({ revoked }: ImportedCrl, ca: CaCertificate): RevokedCa | undefined {
  const entry = revoked.get(hexOf(ca.serialNumber));
  return entry && listedCa(ca, entry);
}

/** The entry of another certificate over the key that says that it is lost. */
function lossOf(
  { losses }: ImportedCrl,
  { spkiDer }: CaCertificate,
  folders: readonly string[],
  twins: readonly CaCertificate[],
): RevokedCa | undefined {
  for (const twin of twins) {
    const found = losses.of(twin);
    if (found !== undefined) return found;
  }
  let keySha256: string | undefined;
  for (const folder of folders) {
    const lost = losses.in(folder);
    const found = lost.size === 0 ? undefined : lost.get((keySha256 ??= keySha256Of(spkiDer)));
    if (found !== undefined) return found;
  }
  return undefined;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Empty where nothing is there. Throws FAULT_STORE_CORRUPT where that cannot be seen. */
function stampOfFile(file: string): string {
  try {
    return fileStamp(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** Who must know what the CRLs say knows nothing now: as of a file that is damaged. */
function unreadable(path: string, cause: unknown): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `${path} cannot be read: ${mending}`, { cause });
}
