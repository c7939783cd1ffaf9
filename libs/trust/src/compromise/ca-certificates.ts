import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CaCertificate,
  certificatesInPem,
  readCaCertificate,
} from '../hierarchy/ca-certificate.js';
import { hasSigned, pemsIn } from '../hierarchy/certificates-over-key.js';
import { alternativeFolderName, formerFolderName } from '../hierarchy/issuer-paths.js';
import { type Issuer, loadAuthorities } from '../hierarchy/load-issuers.js';

/** A certificate over the key of a CA, with the file that it can be carried in. */
export interface CertificateOfCa {
  readonly file: string;
  readonly certificate: CaCertificate;
  /** Of the CA that signed it, DER, where a chain here has it. */
  readonly signerDer: Uint8Array | undefined;
}

/** A CA that signed one, where its folder is at hand. */
export interface Signer {
  readonly directory: string;
  readonly ca: Issuer;
}

/**
 * Every certificate over the key of a CA that is good at the time, its own first: those from before
 * renewals and cross-certificates vouch for a lost key as well. What the CA signed itself is none.
 */
export async function certificatesOfCa(
  ca: Issuer,
  nowMs: number,
): Promise<readonly CertificateOfCa[]> {
  const files = [
    ca.certificateFile,
    ...pemsIn(join(ca.directory, formerFolderName)),
    ...pemsIn(join(ca.directory, alternativeFolderName)),
  ];
  const found = new Map<string, CertificateOfCa>();
  for (const file of files) {
    const [der, ...above] = certificatesInPem(await readFile(file, 'utf8'));
    if (der === undefined) continue;
    const certificate = readCaCertificate(der, file);
    const isSelfIssued = Buffer.compare(certificate.issuerDer, certificate.subjectDer) === 0;
    if (isSelfIssued || certificate.notAfterMs < nowMs) continue;
    if (Buffer.compare(certificate.spkiDer, ca.spkiDer) !== 0) continue;
    const key = Buffer.from(certificate.der).toString('base64');
    if (found.has(key)) continue;
    const signerDer = [...above, ...ca.chainDer.slice(1)].find((one) =>
      hasSigned(one, certificate),
    );
    found.set(key, { file, certificate, signerDer });
  }
  return [...found.values()];
}

/** The CAs of these folders that signed a certificate: one in each folder that has it. */
export async function signersOf(
  { certificate }: CertificateOfCa,
  directories: readonly string[],
): Promise<readonly Signer[]> {
  const signers: Signer[] = [];
  for (const directory of new Set(directories)) {
    const ca = (await loadAuthorities(directory)).find(
      ({ subjectDer, chainDer: [der = new Uint8Array()] }) =>
        Buffer.compare(subjectDer, certificate.issuerDer) === 0 && hasSigned(der, certificate),
    );
    if (ca !== undefined) signers.push({ directory, ca });
  }
  return signers;
}
