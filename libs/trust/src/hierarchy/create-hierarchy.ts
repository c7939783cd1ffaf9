import { type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CertmillError } from '@certmill/domain';
import { NO_EXPIRATION_SECONDS } from '@certmill/der';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { type IssuerKeyType, webCryptoAlgorithmOf } from '../keys/key-types.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { x509 } from '../x509-library.js';
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
  /** Of the root; default ec-p384: it has to last for the life of the devices. */
  readonly rootKeyType?: IssuerKeyType;
  /** organizationName of both subjects. */
  readonly organization?: string;
  readonly nowMs: number;
}

/** A root signs few certificates for very long: clocks of the first devices may be slow. */
const backdateMs = 60_000;
const serialNumberOctets = 16;
/** IEEE 802.1AR 8: the CAs above an IDevID live as long as it does, without expiration. */
const noExpiration = new Date(NO_EXPIRATION_SECONDS * 1_000);

interface CaKey {
  readonly publicKey: webcrypto.CryptoKey;
  readonly privateKey: webcrypto.CryptoKey;
  readonly keyType: IssuerKeyType;
}

/**
 * Makes a two-tier hierarchy, root and issuing CA, or a further issuing CA under the root that is
 * there. RFC 5280 4.2.1: critical basicConstraints (pathLen 0 below) and keyUsage, SKI, AKI; without
 * expiration, so that it can carry IDevIDs. Keys lie as encrypted PKCS#8 with mode 0600.
 * Also makes the serial keys of the data folder.
 * Throws CONFLICT where the issuer is there, INVALID_INPUT for a bad name or a wrong passphrase.
 */
export async function createHierarchy(options: HierarchyOptions): Promise<Issuer> {
  const { name, directory, passphrase, nowMs } = options;
  assertIssuerName(name);
  if (passphrase === '') throw new CertmillError('INVALID_INPUT', 'the passphrase is empty');
  await assertNoIssuer(directory, name);
  const notBefore = new Date(Math.floor((nowMs - backdateMs) / 1_000) * 1_000);
  const root = (await openRoot(options)) ?? (await createRoot(options, notBefore));
  const key = await generateKey(options.keyType ?? 'ec-p256');
  const rootCertificate = new x509.X509Certificate(root.certificateDer);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: subjectOf(options, `${name} issuing CA`),
    issuer: rootCertificate.subjectName,
    // A root that was made after this moment's backdate must not end up younger than its child.
    notBefore: new Date(Math.max(notBefore.getTime(), rootCertificate.notBefore.getTime())),
    notAfter: rootCertificate.notAfter,
    publicKey: key.publicKey,
    signingKey: root.privateKey,
    signingAlgorithm: webCryptoAlgorithmOf(root.keyType),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      caKeyUsage(),
      await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(rootCertificate.publicKey),
    ],
  });
  await writeIssuerFolder(directory, name, {
    chainDer: [new Uint8Array(certificate.rawData), root.certificateDer],
    pkcs8Der: await exportPrivateKey(key.privateKey),
    passphrase,
  });
  await openSerialKeys(directory);
  return loadIssuer(directory, name);
}

interface RootKey {
  readonly certificateDer: Uint8Array<ArrayBuffer>;
  readonly privateKey: webcrypto.CryptoKey;
  readonly keyType: IssuerKeyType;
}

async function openRoot(options: HierarchyOptions): Promise<RootKey | undefined> {
  const root = await loadRoot(options.directory);
  if (root === undefined) return undefined;
  const pem = await readFile(root.keyFile, 'utf8');
  const key = decryptPrivateKey(pem, options.passphrase, `the root key ${root.keyFile}`);
  return {
    certificateDer: Uint8Array.from(root.chainDer[0] ?? []),
    privateKey: await importPrivateKey(key, root.keyType),
    keyType: root.keyType,
  };
}

async function createRoot(options: HierarchyOptions, notBefore: Date): Promise<RootKey> {
  const keyType = options.rootKeyType ?? 'ec-p384';
  const key = await generateKey(keyType);
  const subject = subjectOf(options, `${options.name} root CA`);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject,
    issuer: subject,
    notBefore,
    notAfter: noExpiration,
    publicKey: key.publicKey,
    signingKey: key.privateKey,
    signingAlgorithm: webCryptoAlgorithmOf(keyType),
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      caKeyUsage(),
      await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
    ],
  });
  const certificateDer = new Uint8Array(certificate.rawData);
  await writeIssuerFolder(options.directory, rootName, {
    chainDer: [certificateDer],
    pkcs8Der: await exportPrivateKey(key.privateKey),
    passphrase: options.passphrase,
  });
  return { certificateDer, privateKey: key.privateKey, keyType };
}

function subjectOf(options: HierarchyOptions, commonName: string): x509.Name {
  const attribute = (type: string, utf8String: string): x509.JsonNameParams[number] => ({
    [type]: [{ utf8String }],
  });
  return new x509.Name([
    ...(options.organization === undefined ? [] : [attribute('O', options.organization)]),
    attribute('CN', commonName),
  ]);
}

function caKeyUsage(): x509.KeyUsagesExtension {
  return new x509.KeyUsagesExtension(
    x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
    true,
  );
}

/** RFC 5280 4.1.2.2: positive; the first bit stays clear and the first octet is never zero. */
function newSerialNumber(): string {
  const octets = randomBytes(serialNumberOctets);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets.toString('hex');
}

async function generateKey(keyType: IssuerKeyType): Promise<CaKey> {
  const pair = await webcrypto.subtle.generateKey(webCryptoAlgorithmOf(keyType), true, [
    'sign',
    'verify',
  ]);
  if (!('publicKey' in pair)) {
    throw new CertmillError('INVALID_INPUT', `no key pair can be made for ${keyType}`);
  }
  return { publicKey: pair.publicKey, privateKey: pair.privateKey, keyType };
}

async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key));
}

async function importPrivateKey(
  key: KeyObject,
  keyType: IssuerKeyType,
): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  try {
    return await webcrypto.subtle.importKey('pkcs8', pkcs8, webCryptoAlgorithmOf(keyType), false, [
      'sign',
    ]);
  } finally {
    pkcs8.fill(0);
  }
}
