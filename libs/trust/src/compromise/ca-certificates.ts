import { type CaCertificate, readCaCertificate } from '../hierarchy/ca-certificate.js';
import {
  certificatesIn,
  certificatesOverKey,
  hasSigned,
} from '../hierarchy/certificates-over-key.js';
import { isSameName } from '../hierarchy/distinguished-name.js';
import { ImportedCrlFolder } from '../hierarchy/imported-crls.js';
import { type Issuer, loadAuthorities } from '../hierarchy/load-issuers.js';

/** A CA that signed one, where its folder is at hand. */
export interface Signer {
  readonly directory: string;
  readonly ca: Issuer;
}

/** A certificate over the key of a CA, with the file that it can be carried in. */
export interface CertificateOfCa {
  readonly file: string;
  readonly certificate: CaCertificate;
  /** Of the CA that signed it, DER, where a chain or a CRL of the folders has it. */
  readonly signerDer: Uint8Array | undefined;
  /** One in each folder that has it, in their order. */
  readonly signers: readonly Signer[];
  /** It has the name of the CA. */
  readonly isOfName: boolean;
}

export interface CertificatesOfCa {
  /** That in force first. */
  readonly found: readonly CertificateOfCa[];
  /** Files whose certificates cannot be read: they may be over the key as well. */
  readonly unread: readonly string[];
}

/**
 * Every certificate over the key of a CA that is good at the time, wherever in the folders it lies: those from
 * before renewals, cross-certificates, and those that nobody took in vouch for a lost key as well. What is signed with
 * the key itself is none.
 */
export async function certificatesOfCa(
  ca: Issuer,
  directories: readonly string[],
  nowMs: number,
): Promise<CertificatesOfCa> {
  const folders = [...new Set(directories)];
  const looks = await Promise.all(folders.map((each) => certificatesOverKey(each, ca.spkiDer)));
  const all = new Map<string, { readonly file: string; readonly certificate: CaCertificate }>();
  const [ownDer = new Uint8Array()] = ca.chainDer;
  const inFiles = looks.flatMap(({ found }) => found);
  // Killed in the middle of a renewal, or damaged, its own file has another one, or none.
  const own = inFiles.find(({ certificate }) => Buffer.compare(certificate.der, ownDer) === 0) ?? {
    file: ca.chainFile,
    certificate: readCaCertificate(ownDer, ca.chainFile),
  };
  for (const one of [own, ...inFiles]) {
    const { der, notAfterMs } = one.certificate;
    const id = Buffer.from(der).toString('base64');
    if (all.has(id) || notAfterMs < nowMs || hasSigned(der, one.certificate)) continue;
    all.set(id, one);
  }
  const known = await Promise.all(folders.map(knownIn));
  const found = [...all.values()].map(({ file, certificate }) => {
    const signers = known.flatMap(({ directory, cas }) => {
      const signer = cas.find(({ chainDer: [der] }) => der && hasSigned(der, certificate));
      return signer === undefined ? [] : [{ directory, ca: signer }];
    });
    const others = known.flatMap(({ signersDer }) => signersDer);
    const signerDer = [...certificatesIn(file).slice(1), ...ca.chainDer, ...others].find((der) =>
      hasSigned(der, certificate),
    );
    const isOfName = isSameName(certificate.subjectDer, ca.subjectDer);
    return { file, certificate, signerDer, signers, isOfName };
  });
  return { found, unread: looks.flatMap(({ unread }) => unread) };
}

interface KnownCas {
  readonly directory: string;
  readonly cas: readonly Issuer[];
  /** Certificates of CAs, each once. */
  readonly signersDer: readonly Uint8Array[];
}

async function knownIn(directory: string): Promise<KnownCas> {
  const cas = await loadAuthorities(directory);
  const imported = new ImportedCrlFolder(directory).readable().map(({ signer }) => signer.der);
  const all = [...cas.flatMap(({ chainDer }) => chainDer), ...imported];
  const once = new Map(all.map((der) => [Buffer.from(der).toString('base64'), der]));
  return { directory, cas, signersDer: [...once.values()] };
}
