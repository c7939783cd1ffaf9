import { CertmillError, type StatusAddresses } from '@certmill/domain';
import type { IssuerKeyType } from '../keys/key-types.js';
import {
  caCommonName,
  type DistinguishedName,
  distinguishedNameDer,
} from './distinguished-name.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { assertNewIssuer } from './issuer-folder.js';
import { assertIssuerName, rootName } from './issuer-paths.js';
import { type Issuer, loadRoot } from './load-issuers.js';
import { assertPassphrase } from './new-ca-key.js';

export interface HierarchyOptions {
  /** The issuer's name in commands and orders: lower-case letters, digits, inner hyphens. */
  readonly name: string;
  /** The data folder; the issuing CA gets `<directory>/ca/<name>`. */
  readonly directory: string;
  /** The folder of the root, `<rootDirectory>/ca/root`, where it is kept elsewhere. */
  readonly rootDirectory?: string;
  /** Encrypts both keys, and decrypts the root's where it is there already. */
  readonly passphrase: string;
  /** That of the root's folder where it is another. */
  readonly rootPassphrase?: string;
  /** Of the issuing CA; default ec-p256, whose signatures are the fastest to make and check. */
  readonly keyType?: IssuerKeyType;
  /** Of the root that is made; default ec-p384: it has to last for the life of the devices. */
  readonly rootKeyType?: IssuerKeyType;
  /** organizationName of both subjects. */
  readonly organization?: string;
  /** Where the status of the issuing CA's certificates will be told (ADR 0020). */
  readonly status?: StatusAddresses;
  readonly nowMs: number;
}

/**
 * Makes a two-tier hierarchy, root and issuing CA, or a further issuing CA under the root that is
 * there (`issueCaCertificate`): pathLen 0 below; without expiration, so that it can carry IDevIDs.
 * Keys lie as encrypted PKCS#8 with mode 0600. Also makes the serial keys of the data folder.
 * Throws CONFLICT where the issuer is there, or a root with another key than asked for;
 * INVALID_INPUT for a bad name or a wrong passphrase.
 */
export async function createHierarchy(options: HierarchyOptions): Promise<Issuer> {
  const { name, directory, passphrase, status, nowMs } = options;
  const rootDirectory = options.rootDirectory ?? directory;
  const rootPassphrase = options.rootPassphrase ?? passphrase;
  assertIssuerName(name);
  assertPassphrase(passphrase);
  await assertNewIssuer(directory, name);
  const root = await loadRoot(rootDirectory);
  if (root !== undefined) assertRootKeyType(root, options);
  else {
    await createRoot(
      {
        directory: rootDirectory,
        passphrase: rootPassphrase,
        subjectDer: subjectOf(options, caCommonName(name, 'root CA')),
        keyType: options.rootKeyType ?? 'ec-p384',
        pathLenConstraint: 1,
        // A root signs CAs only: one CRL has them all.
        ...(status === undefined ? {} : { status: { ...status, crlShards: 0 } }),
      },
      nowMs,
    );
  }
  return issueAuthority(
    {
      name,
      directory,
      passphrase,
      subjectDer: subjectOf(options, caCommonName(name, 'issuing CA')),
      keyType: options.keyType ?? 'ec-p256',
      pathLenConstraint: 0,
      ...(status === undefined ? {} : { status }),
    },
    { directory: rootDirectory, name: rootName, passphrase: rootPassphrase },
    nowMs,
  );
}

function assertRootKeyType(root: Issuer, { rootKeyType }: HierarchyOptions): void {
  if (rootKeyType === undefined || rootKeyType === root.keyType) return;
  throw new CertmillError(
    'CONFLICT',
    `this folder has a root already, with a key of type ${root.keyType}, not ${rootKeyType}`,
  );
}

function subjectOf({ organization }: HierarchyOptions, commonName: string): Uint8Array {
  const name: DistinguishedName = [
    ...(organization === undefined
      ? []
      : [{ type: 'organizationName' as const, value: organization }]),
    { type: 'commonName', value: commonName },
  ];
  return distinguishedNameDer(name);
}
