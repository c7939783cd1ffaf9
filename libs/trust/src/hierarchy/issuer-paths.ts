import { join } from 'node:path';
import { assertName, CertmillError } from '@certmill/domain';

/** The folder of the root CA beside those of the issuers; no issuer can have this name. */
export const rootName = 'root';

export const keyFileName = 'key.pem';

/**
 * In the folder of a CA: chains of certificates that were in force before renewals, by serial number; and those over
 * another certificate of a CA above, by the serial numbers of both.
 */
export const formerFolderName = 'former';
/** Chains over other CAs than that of the chain in force, by serial number. */
export const alternativeFolderName = 'alternative';
/** Each CA certificate that it has signed, by serial number. */
export const issuedFolderName = 'issued';
/** Copies of the certificates of delegates that people had made, by serial number. */
export const delegatesFolderName = 'delegates';

/** Files of one CA in `<data>/ca/<name>/`. */
export interface IssuerPaths {
  readonly directory: string;
  readonly certificateFile: string;
  /** The certificate first, the root last. */
  readonly chainFile: string;
  /** Encrypted PKCS#8, mode 0600; not there where the key is kept elsewhere. */
  readonly keyFile: string;
}

export function caDirectoryOf(dataDirectory: string): string {
  return join(dataDirectory, 'ca');
}

/** Where the development passphrase lies: beside the keys, which is why it is for development. */
export function developmentPassphraseFileOf(dataDirectory: string): string {
  return join(caDirectoryOf(dataDirectory), 'development-passphrase');
}

export function issuerPathsOf(dataDirectory: string, name: string): IssuerPaths {
  return pathsIn(join(caDirectoryOf(dataDirectory), name));
}

export function pathsIn(directory: string): IssuerPaths {
  return {
    directory,
    certificateFile: join(directory, 'certificate.pem'),
    chainFile: join(directory, 'chain.pem'),
    keyFile: join(directory, keyFileName),
  };
}

/** INVALID_INPUT where the name cannot be that of an issuer. */
export function assertIssuerName(name: string): void {
  assertName('issuer', name);
  if (name === rootName) {
    throw new CertmillError('INVALID_INPUT', `'${rootName}' is the root's name; choose another`);
  }
}
