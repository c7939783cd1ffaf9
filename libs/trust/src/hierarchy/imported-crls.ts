import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, isCertmillError, isName } from '@certmill/domain';
import { pemEncode, walkCrlEntries } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { type PemBlock, pemBlocksOf } from '../inspect/pem-blocks.js';
import { extensionsOf } from '../inspect/extension-view.js';
import { readDerNode } from '../lint/der-node.js';
import { type ReadCrl, readCrl, reasonOf, signatureProblemOf } from '../path/crl-status.js';
import {
  isSameBytes,
  type PathCertificate,
  readPathCertificate,
} from '../path/path-certificate.js';
import type { CaCertificate } from './ca-certificate.js';
import { type CrlListing, CrlLosses, listedCa } from './crl-losses.js';
import { keySha256Of } from './lost-keys.js';
import type { RevokedCa } from './revoked-cas.js';

/** Beside `ca`, for a CA of any name may lie there. */
export const importedCrlsFolderName = 'ca-crls';
const suffix = '.pem';
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

interface KnownFile {
  readonly stamp: string;
  readonly crl: ImportedCrl;
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

  /** Changes whenever a CRL is taken in. */
  stamp(): string {
    try {
      return stampOfFile(importedCrlsFolderOf(this.#dataDirectory));
    } catch (error) {
      if (isCertmillError(error)) return 'unreadable';
      throw error;
    }
  }

  /** By name. Throws FAULT_STORE_CORRUPT where a file, or the folder, is damaged or cannot be read. */
  all(): readonly ImportedCrl[] {
    return this.#names().map((name) => this.#read(name));
  }

  /** By name. A file that is damaged or cannot be read hides nothing else. */
  readable(): readonly ImportedCrl[] {
    return this.#names().flatMap((name) => {
      try {
        return this.#read(name);
      } catch (error) {
        if (isCertmillError(error)) return [];
        throw error;
      }
    });
  }

  /** Undefined where none was taken in by the name. Throws as `all`, of its file. */
  named(ca: string): ImportedCrl | undefined {
    return this.#names().includes(ca) ? this.#read(ca) : undefined;
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

  #read(ca: string): ImportedCrl {
    const file = importedCrlFileOf(this.#dataDirectory, ca);
    const stamp = stampOfFile(file);
    const known = this.#known.get(ca);
    if (known?.stamp === stamp) return known.crl;
    const crl = readImportedCrl(ca, bytesOf(file));
    if (crl === undefined) throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is damaged`);
    this.#known.set(ca, { stamp, crl });
    return crl;
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
    const crl = signer && crls.find((candidate) => isCrlOf(candidate, signer));
    const found =
      crl && (revocationOf(crl, ca) ?? (index === 0 ? lossOf(crl, ca, folders, twins) : undefined));
    if (found !== undefined) return found;
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

/** Same name and key: a CA that was renewed is the same one. */
export function isCrlOf(
  { signer }: Pick<ImportedCrl, 'signer'>,
  ca: Pick<CaCertificate, 'subjectDer' | 'spkiDer'>,
): boolean {
  return (
    isSameBytes(signer.certificate.subject.der, ca.subjectDer) &&
    isSameBytes(signer.subjectPKInfoDer, ca.spkiDer)
  );
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
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined ? '' : `${String(found.ino)} ${String(found.mtimeMs)}`;
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
  return new CertmillError('FAULT_STORE_CORRUPT', `${path} cannot be read`, { cause });
}
