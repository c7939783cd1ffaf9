import { hash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { isSameBytes } from '../path/path-certificate.js';
import { type CaCertificate, pemOfCertificates, readCaCertificate } from './ca-certificate.js';
import { checkedFileName, digestOfChain } from './ca-files.js';
import { firstCertificateIn, pemsIn } from './certificates-over-key.js';
import { certificateOf } from './certificate-spec.js';
import { checkChainDer } from './check-chain.js';
import { formerFolderName, pathsIn } from './issuer-paths.js';
import { type Issuer, loadAuthorities } from './load-issuers.js';

/** A file of a data folder by its path there, and what it is to hold. */
export interface ReplacedFile {
  readonly path: string;
  readonly content: string;
}

/**
 * Puts a new certificate of the same subject and key in the place of a CA's, and into every chain of
 * the folder that goes through it. Each file changes at once or not at all; after a kill in between,
 * the chains that are left are sound, over the certificate before. The same typed again takes them along, and so does
 * the next renewal by the same CA above.
 */
export async function replaceCertificate(
  directory: string,
  ca: Issuer,
  chainDer: readonly Uint8Array[],
): Promise<void> {
  for (const { path, content } of await replacedFiles(directory, ca, chainDer)) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFileAtomically(file, content, publicFileMode);
  }
}

/**
 * The files that change, in the order in which they are written: the certificate before is kept in
 * `former/` first, with its chain. Of a certificate that is in its place already, the chain before and those of chains
 * without it.
 * INVALID_INPUT where the new chain is none.
 */
export async function replacedFiles(
  directory: string,
  ca: Issuer,
  chainDer: readonly Uint8Array[],
): Promise<readonly ReplacedFile[]> {
  checkChainDer(chainDer);
  const files = [...formerFiles(ca, chainDer), ...chainFiles(ca.name, chainDer)];
  const isSameCa = sameCaAs(ca, isInPlace(ca, chainDer) ? formerOf(ca) : []);
  for (const { name, chainDer: chain } of await loadAuthorities(directory)) {
    const at = chain.findIndex((der) => isSameCa(der));
    if (at <= 0) continue;
    const replaced = [...chain.slice(0, at), ...chainDer];
    if (pemOfCertificates(replaced) === pemOfCertificates(chain)) continue;
    files.push(...chainFiles(name, replaced));
  }
  return files;
}

/**
 * Of a certificate that is in its place already: the chain before, where another one above it has gone. None where nothing
 * has: a kill came before the other chains.
 */
function formerFiles(ca: Issuer, chainDer: readonly Uint8Array[]): readonly ReplacedFile[] {
  const folder = join('ca', ca.name, formerFolderName);
  const content = pemOfCertificates(ca.chainDer);
  if (!isInPlace(ca, chainDer)) {
    return [{ path: join(folder, `${ca.serialNumberHex}.pem`), content }];
  }
  const gone = ca.chainDer.find((der) => !chainDer.some((other) => isSameBytes(der, other)));
  if (gone === undefined) return [];
  const above = Buffer.from(readCaCertificate(gone, ca.chainFile).serialNumber).toString('hex');
  return [{ path: join(folder, `${ca.serialNumberHex}-${above}.pem`), content }];
}

function isInPlace(ca: Issuer, chainDer: readonly Uint8Array[]): boolean {
  const [inForce = new Uint8Array()] = ca.chainDer;
  return isSameBytes(inForce, chainDer[0] ?? new Uint8Array());
}

/** The certificates that were in force before, by other CAs above too. */
function formerOf({ directory }: Issuer): readonly Uint8Array[] {
  return pemsIn(join(directory, formerFolderName))
    .map(firstCertificateIn)
    .filter((der) => der !== undefined);
}

/**
 * Of certificates: whether it is the CA's by the same CA above, the one in force or one before that; or one of `former`,
 * by whichever CA. A chain over a cross-certificate stays.
 */
function sameCaAs(ca: Issuer, former: readonly Uint8Array[]): (der: Uint8Array) => boolean {
  const own = certificateOf(ca);
  const isSame = (other: CaCertificate): boolean =>
    Buffer.compare(other.spkiDer, own.spkiDer) === 0 &&
    Buffer.compare(other.subjectDer, own.subjectDer) === 0 &&
    (Buffer.compare(other.issuerDer, own.issuerDer) === 0 ||
      former.some((der) => Buffer.compare(der, other.der) === 0));
  // Thousands of chains go through a few CAs: each of their certificates is read once.
  const known = new Map<string, boolean>();
  return (der) => {
    const key = hash('sha256', der);
    const found = known.get(key) ?? isSame(readCaCertificate(der, 'a certificate above'));
    known.set(key, found);
    return found;
  };
}

function chainFiles(name: string, chainDer: readonly Uint8Array[]): readonly ReplacedFile[] {
  const { directory, certificateFile, chainFile } = pathsIn(join('ca', name));
  const chainPem = pemOfCertificates(chainDer);
  return [
    { path: certificateFile, content: pemOfCertificates(chainDer.slice(0, 1)) },
    { path: chainFile, content: chainPem },
    { path: join(directory, checkedFileName), content: `${digestOfChain(chainPem)}\n` },
  ];
}
