import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { type CaCertificate, certificatesInPem, readCaCertificate } from './ca-certificate.js';
import {
  alternativeFolderName,
  caDirectoryOf,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
  pathsIn,
} from './issuer-paths.js';

/** A certificate over the key of a CA, and a file that has it first. */
export interface CertificateOverKey {
  readonly file: string;
  readonly certificate: CaCertificate;
  /** The CA of the folder that it is in force of; undefined where it is of none. */
  readonly inForceOf: string | undefined;
}

export interface CertificatesOverKey {
  /** Each once. */
  readonly found: readonly CertificateOverKey[];
  /** Files that hold no certificate that can be read: nobody knows over which key it is. */
  readonly unread: readonly string[];
}

/** Files that are read before others get a turn: some 10 ms. */
const filesPerTurn = 200;

/**
 * Every certificate of a data folder over one key: in force, from before renewals, cross-certificates, and
 * those that a CA has signed and nobody took in. What is damaged hides nothing else.
 */
export async function certificatesOverKey(
  dataDirectory: string,
  spkiDer: Uint8Array,
): Promise<CertificatesOverKey> {
  const found = new Map<string, CertificateOverKey>();
  const unread: string[] = [];
  for (const [index, { file, inForceOf }] of certificateFilesIn(dataDirectory).entries()) {
    if (index % filesPerTurn === filesPerTurn - 1) await nextTurn();
    const der = firstCertificateIn(file);
    if (der === undefined) unread.push(file);
    // Most are over other keys, and need not be read.
    if (der === undefined || Buffer.from(der).indexOf(spkiDer) < 0) continue;
    const id = Buffer.from(der).toString('base64');
    if (found.has(id)) continue;
    try {
      const certificate = readCaCertificate(der, file);
      if (Buffer.compare(certificate.spkiDer, spkiDer) === 0) {
        const first = inForceOf === undefined ? file : fileOfInForce(file, der);
        found.set(id, { file: first, certificate, inForceOf });
      }
    } catch {
      unread.push(file);
    }
  }
  return { found: [...found.values()], unread };
}

/** The CA of a data folder that has signed a certificate; undefined where none has. */
export function nameOfSigner(
  dataDirectory: string,
  certificate: CaCertificate,
): string | undefined {
  return namesIn(caDirectoryOf(dataDirectory)).find((name) => {
    const der = firstCertificateIn(issuerPathsOf(dataDirectory, name).chainFile);
    return der !== undefined && hasSigned(der, certificate);
  });
}

/** Whether the CA of a certificate has signed another one: by its name, and its key. */
export function hasSigned(
  signerDer: Uint8Array,
  { issuerDer, certificate }: CaCertificate,
): boolean {
  if (Buffer.from(signerDer).indexOf(issuerDer) < 0) return false;
  const signer = readCaCertificate(signerDer, 'a CA above');
  return (
    Buffer.compare(signer.subjectDer, issuerDer) === 0 &&
    certificate.verify(signer.certificate.publicKey)
  );
}

/** The certificates that a folder keeps, a file each; none where it is not there. */
export function pemsIn(folder: string): readonly string[] {
  return namesIn(folder)
    .filter((name) => name.endsWith('.pem') && !name.startsWith('.'))
    .map((name) => join(folder, name));
}

/** Those in force first: the first of each chain, whatever else is being written. */
function certificateFilesIn(
  dataDirectory: string,
): readonly Pick<CertificateOverKey, 'file' | 'inForceOf'>[] {
  const names = namesIn(caDirectoryOf(dataDirectory)).filter(isName);
  const inForce = names.flatMap((inForceOf) => {
    const { chainFile } = issuerPathsOf(dataDirectory, inForceOf);
    return existsSync(chainFile) ? [{ file: chainFile, inForceOf }] : [];
  });
  const others = names.flatMap((name) => {
    const { directory, certificateFile } = issuerPathsOf(dataDirectory, name);
    return [
      ...(existsSync(certificateFile) ? [certificateFile] : []),
      ...[formerFolderName, alternativeFolderName, issuedFolderName].flatMap((folder) =>
        pemsIn(join(directory, folder)),
      ),
    ].map((file) => ({ file, inForceOf: undefined }));
  });
  return [...inForce, ...others];
}

/**
 * The file that has a certificate which is in force alone; where a renewal was killed between it and the chain, which
 * issuing goes by, the chain.
 */
function fileOfInForce(chainFile: string, der: Uint8Array): string {
  const { certificateFile } = pathsIn(dirname(chainFile));
  const alone = firstCertificateIn(certificateFile);
  return alone !== undefined && Buffer.compare(alone, der) === 0 ? certificateFile : chainFile;
}

/** Undefined where it has none, or cannot be read. */
export function firstCertificateIn(file: string): Uint8Array | undefined {
  return certificatesIn(file)[0];
}

/** None where it has none, or cannot be read. */
export function certificatesIn(file: string): readonly Uint8Array[] {
  try {
    return certificatesInPem(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') || isErrorCode(cause, 'ENOTDIR')) return [];
    throw cause;
  }
}
