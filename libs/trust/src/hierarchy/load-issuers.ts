import { readdir, readFile } from 'node:fs/promises';
import { CertmillError, isCertmillError, type StatusAddresses } from '@certmill/domain';
import type { IssuerSignatureAlgorithm } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { signatureAlgorithmFor, type IssuerKeyType } from '../keys/key-types.js';
import { findSerialKeys } from '../keys/serial-keys.js';
import { checkChain } from './check-chain.js';
import { certificatesInPem, readCaCertificate, type CaCertificate } from './ca-certificate.js';
import { readStatusFile } from './status-file.js';
import { caDirectoryOf, issuerPathsOf, rootName, type IssuerPaths } from './issuer-paths.js';

/** A CA of a data folder: what `ca show` prints and what issuing needs; no secrets. */
export interface Issuer extends IssuerPaths {
  readonly name: string;
  /** The CA's certificate first, the root last. */
  readonly chainDer: readonly Uint8Array[];
  readonly keyType: IssuerKeyType;
  readonly signatureAlgorithm: IssuerSignatureAlgorithm;
  /** Subject Name of the CA's certificate, byte for byte. */
  readonly subjectDer: Uint8Array;
  /** For people. */
  readonly subject: string;
  readonly spkiDer: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Where the status of what it issues is told; absent: nowhere (ADR 0020). */
  readonly status?: StatusAddresses;
  /** Serial-key id of the data folder for new chunks; undefined before the first. */
  readonly serialKeyId: number | undefined;
}

/**
 * The issuers of a data folder, by name; the root is not among them. An empty list where there is no
 * CA folder. Throws FAULT_STORE_CORRUPT where an issuer's folder cannot be read, or its chain is none.
 */
export async function loadIssuers(dataDirectory: string): Promise<readonly Issuer[]> {
  const issuers = await findIssuers(dataDirectory);
  for (const issuer of issuers) {
    const defect = chainDefectOf(issuer);
    if (defect !== undefined) throw damaged(issuer.name, `${issuer.chainFile}: ${defect}`);
  }
  return issuers;
}

/** What is wrong with an issuer's chain, whatever the time is; undefined where nothing is. */
export function chainDefectOf({ chainDer }: Issuer): string | undefined {
  try {
    checkChain(
      chainDer.map((der, index) => readCaCertificate(der, `certificate ${String(index + 1)}`)),
      undefined,
    );
    return undefined;
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return error.message;
  }
}

/** The same as they lie there: whether their chains verify is not looked at. */
export async function findIssuers(dataDirectory: string): Promise<readonly Issuer[]> {
  const entries = await readCaFolder(dataDirectory);
  const names = entries.filter((name) => name !== rootName && !name.startsWith('.')).sort();
  return Promise.all(names.map((name) => loadCa(dataDirectory, name)));
}

/** One issuer by name; NOT_FOUND where there is none. */
export async function loadIssuer(dataDirectory: string, name: string): Promise<Issuer> {
  const entries = await readCaFolder(dataDirectory);
  if (name !== rootName && entries.includes(name)) return loadCa(dataDirectory, name);
  throw new CertmillError('NOT_FOUND', `there is no issuer '${name.slice(0, 80)}' in this folder`);
}

/** The root that `createHierarchy` made; undefined where only issuers were imported. */
export async function loadRoot(dataDirectory: string): Promise<Issuer | undefined> {
  const entries = await readCaFolder(dataDirectory);
  return entries.includes(rootName) ? loadCa(dataDirectory, rootName) : undefined;
}

/** Milliseconds left until the issuer's certificate ends; 0 once it has. */
export function lifeLeftMs(issuer: Issuer, nowMs: number): number {
  return Math.max(0, issuer.notAfterMs - nowMs);
}

async function readCaFolder(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(caDirectoryOf(dataDirectory), { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

async function loadCa(dataDirectory: string, name: string): Promise<Issuer> {
  const paths = issuerPathsOf(dataDirectory, name);
  const chain = await readChain(paths, name);
  const [ca] = chain;
  if (ca === undefined) throw damaged(name, `${paths.chainFile} holds no certificate`);
  const serialKeys = await findSerialKeys(dataDirectory);
  const status = await readStatusFile(paths.directory);
  return {
    ...paths,
    name,
    chainDer: chain.map(({ der }) => der),
    keyType: ca.keyType,
    signatureAlgorithm: signatureAlgorithmFor(ca.keyType),
    subjectDer: ca.subjectDer,
    subject: ca.certificate.subject.replaceAll('\n', ', '),
    spkiDer: ca.spkiDer,
    keyIdentifier: ca.keyIdentifier,
    notBeforeMs: ca.notBeforeMs,
    notAfterMs: ca.notAfterMs,
    ...(status === undefined ? {} : { status }),
    serialKeyId: serialKeys?.current.id,
  };
}

async function readChain(paths: IssuerPaths, name: string): Promise<readonly CaCertificate[]> {
  let pem: string;
  try {
    pem = await readFile(paths.chainFile, 'utf8');
  } catch (cause) {
    throw damaged(name, `${paths.chainFile} cannot be read`, cause);
  }
  try {
    return certificatesInPem(pem).map((der, index) =>
      readCaCertificate(der, `certificate ${String(index + 1)} in ${paths.chainFile}`),
    );
  } catch (cause) {
    throw damaged(name, cause instanceof CertmillError ? cause.message : 'not PEM', cause);
  }
}

function damaged(name: string, reason: string, cause?: unknown): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `issuer '${name}': ${reason}`, { cause });
}
