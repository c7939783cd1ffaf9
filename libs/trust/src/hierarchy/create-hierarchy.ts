import { readFile } from 'node:fs/promises';
import { caCrlUriOf, caIssuersUriOf, CertmillError, type StatusAddresses } from '@certmill/domain';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { caSignerOf, generateCaKey } from './ca-key.js';
import { readCaCertificate } from './ca-certificate.js';
import { type DistinguishedName, distinguishedNameDer } from './distinguished-name.js';
import {
  type CaParent,
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from './issue-ca-certificate.js';
import { assertNoIssuer, writeIssuerFolder } from './issuer-folder.js';
import { assertIssuerName, rootName } from './issuer-paths.js';
import { type Issuer, loadIssuer, loadRoot } from './load-issuers.js';

export interface HierarchyOptions {
  /** The issuer's name in commands and orders: lower-case letters, digits, inner hyphens. */
  readonly name: string;
  /** The data folder; the CAs get `<directory>/ca/root` and `<directory>/ca/<name>`. */
  readonly directory: string;
  /** Encrypts both keys, and decrypts the root's where it is there already. */
  readonly passphrase: string;
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

/** A root signs few certificates for very long: clocks of the first devices may be slow. */
const backdateMs = 60_000;

/**
 * Makes a two-tier hierarchy, root and issuing CA, or a further issuing CA under the root that is
 * there (`issueCaCertificate`): pathLen 0 below; without expiration, so that it can carry IDevIDs.
 * Keys lie as encrypted PKCS#8 with mode 0600. Also makes the serial keys of the data folder.
 * Throws CONFLICT where the issuer is there, or a root with another key than asked for;
 * INVALID_INPUT for a bad name or a wrong passphrase.
 */
export async function createHierarchy(options: HierarchyOptions): Promise<Issuer> {
  const { name, directory, passphrase, status } = options;
  assertIssuerName(name);
  if (passphrase === '') throw new CertmillError('INVALID_INPUT', 'the passphrase is empty');
  await assertNoIssuer(directory, name);
  const notBeforeMs = Math.floor((options.nowMs - backdateMs) / 1_000) * 1_000;
  const root = (await openRoot(options)) ?? (await createRoot(options, notBeforeMs));
  const key = await generateCaKey(options.keyType ?? 'ec-p256');
  const rootCertificate = readCaCertificate(root.certificateDer, 'the root');
  const certificateDer = await issueCaCertificate(
    {
      subjectDer: subjectOf(options, `${name} issuing CA`),
      serialNumber: newCaSerialNumber(),
      // A root that was made after this moment's backdate must not end up younger than its child.
      notBeforeMs: Math.max(notBeforeMs, rootCertificate.notBeforeMs),
      notAfterMs: rootCertificate.notAfterMs,
      pathLenConstraint: 0,
      ...(root.status === undefined ? {} : { status: statusUnder(root.status, rootName) }),
    },
    key.subjectPKInfoDer,
    root,
  );
  await writeIssuerFolder(directory, name, {
    chainDer: [certificateDer, root.certificateDer],
    pkcs8Der: key.privateKey.export({ format: 'der', type: 'pkcs8' }),
    passphrase,
    ...(status === undefined ? {} : { status }),
  });
  await openSerialKeys(directory);
  return loadIssuer(directory, name);
}

/** Where the status of a CA certificate is told that a CA with these addresses signs. */
export function statusUnder(
  status: StatusAddresses,
  parent: string,
): { readonly crlDistributionPoints: readonly string[]; readonly caIssuers: readonly string[] } {
  return {
    crlDistributionPoints: [caCrlUriOf(status, parent)],
    caIssuers: [caIssuersUriOf(status, parent)],
  };
}

interface Root extends CaParent {
  readonly certificateDer: Uint8Array;
  readonly status?: StatusAddresses;
}

async function openRoot(options: HierarchyOptions): Promise<Root | undefined> {
  const root = await loadRoot(options.directory);
  if (root === undefined) return undefined;
  const { rootKeyType = root.keyType } = options;
  if (rootKeyType !== root.keyType) {
    throw new CertmillError(
      'CONFLICT',
      `this folder has a root already, with a key of type ${root.keyType}, not ${rootKeyType}`,
    );
  }
  const pem = await readFile(root.keyFile, 'utf8');
  const key = decryptPrivateKey(pem, options.passphrase, `the root key ${root.keyFile}`);
  return {
    certificateDer: root.chainDer[0] ?? new Uint8Array(),
    signer: caSignerOf(key, root.spkiDer),
    ...(root.status === undefined ? {} : { status: root.status }),
  };
}

async function createRoot(options: HierarchyOptions, notBeforeMs: number): Promise<Root> {
  const { status } = options;
  const key = await generateCaKey(options.rootKeyType ?? 'ec-p384');
  const signer = caSignerOf(key.privateKey, key.subjectPKInfoDer);
  const certificateDer = await issueCaCertificate(
    {
      subjectDer: subjectOf(options, `${options.name} root CA`),
      serialNumber: newCaSerialNumber(),
      notBeforeMs,
      notAfterMs: noExpirationMs,
      pathLenConstraint: 1,
    },
    key.subjectPKInfoDer,
    { signer },
  );
  await writeIssuerFolder(options.directory, rootName, {
    chainDer: [certificateDer],
    pkcs8Der: key.privateKey.export({ format: 'der', type: 'pkcs8' }),
    passphrase: options.passphrase,
    ...(status === undefined ? {} : { status: { ...status, crlShards: 0 } }),
  });
  return {
    certificateDer,
    signer,
    ...(status === undefined ? {} : { status: { ...status, crlShards: 0 } }),
  };
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
