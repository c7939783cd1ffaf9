import { X509Certificate } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import {
  type ConstrainedNames,
  createCertificateWalk,
  DerReader,
  derErrorText,
  type DerResult,
  type KeyUsageName,
  oids,
  pemEncode,
  readBasicConstraints,
  readExtensions,
  readKeyUsage,
  readTbsNames,
  tags,
  walkCertificate,
} from '@certmill/der';
import { type CertificateLimits, readCertificateLimits } from '@certmill/pipeline/compute';
import { pemBlocksOf } from '../inspect/pem-blocks.js';
import { nameText } from '../inspect/view.js';
import { issuerKeyTypeOf, type IssuerKeyType, keyTypeOf } from '../keys/key-types.js';

/** A CA certificate with what issuing under it needs; byte arrays are copies. */
export interface CaCertificate {
  readonly der: Uint8Array;
  /** Read when it is first asked for; INVALID_INPUT where OpenSSL knows no such certificate. */
  readonly certificate: X509Certificate;
  readonly keyType: IssuerKeyType;
  readonly spkiDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  /** For people. */
  readonly subject: string;
  readonly issuerDer: Uint8Array;
  /** Empty where the certificate has none (RFC 5280 4.2.1.2 asks every CA for one). */
  readonly keyIdentifier: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  readonly pathLenConstraint: number | undefined;
  /** Undefined where the certificate has no keyUsage. */
  readonly keyUsage: readonly KeyUsageName[] | undefined;
  /** What it says of certificates below it. */
  readonly limits: CertificateLimits;
  /** What the constraints of CAs above are held against. */
  readonly names: ConstrainedNames;
  /** Content of its serialNumber INTEGER. */
  readonly serialNumber: Uint8Array;
}

/**
 * Reads a certificate strictly. OpenSSL is asked for a key that is not known at a look, and when
 * `certificate` is: of ten thousand CAs that were checked when they were written it reads none.
 * @param description names the certificate in the messages.
 * Throws INVALID_INPUT where it is not DER, its key is of no supported type, or a constraint in it
 * cannot be read.
 */
export function readCaCertificate(der: Uint8Array, description: string): CaCertificate {
  const bytes = Uint8Array.from(der);
  const walk = createCertificateWalk();
  if (!walkCertificate(bytes, 0, bytes.length, walk)) {
    throw unreadable(description, walk.error === undefined ? 'not DER' : derErrorText[walk.error]);
  }
  let certificate: X509Certificate | undefined;
  const subjectDer = bytes.slice(walk.subjectStart, walk.subjectEnd);
  const extensions =
    walk.extensionsStart < 0
      ? []
      : valueOf(readExtensions(bytes, walk.extensionsStart, walk.extensionsEnd), description);
  const read = <T>(
    oid: string,
    reader: (bytes: Uint8Array, start: number, end: number) => DerResult<T>,
  ): T | undefined => {
    const found = extensions.find((extension) => extension.oid === oid);
    if (found === undefined) return undefined;
    return valueOf(reader(bytes, found.valueStart, found.valueEnd), description);
  };
  const basic = read(oids.id_ce_basicConstraints, readBasicConstraints);
  const identifier = extensions.find(({ oid }) => oid === oids.id_ce_subjectKeyIdentifier);
  return {
    der: bytes,
    get certificate() {
      return (certificate ??= parsed(bytes, description));
    },
    keyType: keyTypeOf(walk) ?? issuerKeyTypeOf(parsed(bytes, description).publicKey),
    spkiDer: bytes.slice(walk.subjectPKInfoStart, walk.subjectPKInfoEnd),
    subjectDer,
    subject: nameText(subjectDer),
    issuerDer: bytes.slice(walk.issuerStart, walk.issuerEnd),
    serialNumber: bytes.slice(walk.serialNumberStart, walk.serialNumberEnd),
    keyIdentifier:
      identifier === undefined
        ? new Uint8Array()
        : octetStringContent(bytes, identifier.valueStart, identifier.valueEnd, description),
    notBeforeMs: walk.notBeforeSeconds * 1_000,
    notAfterMs: walk.notAfterSeconds * 1_000,
    isCa: basic?.cA ?? false,
    pathLenConstraint: basic?.pathLenConstraint,
    keyUsage: read(oids.id_ce_keyUsage, readKeyUsage),
    limits: limitsOf(bytes, description),
    names: valueOf(
      readTbsNames(bytes, walk.tbsCertificateStart, walk.tbsCertificateEnd),
      description,
    ),
  };
}

/** RFC 5280 6.1: issuer and subject are the same. */
export function isSelfIssued({
  subjectDer,
  issuerDer,
}: Pick<CaCertificate, 'subjectDer' | 'issuerDer'>): boolean {
  return Buffer.compare(issuerDer, subjectDer) === 0;
}

function limitsOf(der: Uint8Array, description: string): CertificateLimits {
  try {
    return readCertificateLimits(der);
  } catch {
    throw unreadable(description, 'what it says of certificates below it');
  }
}

function parsed(der: Uint8Array, description: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `${description} is no X.509 certificate`, { cause });
  }
}

function valueOf<T>(result: DerResult<T>, description: string): T {
  if (result.ok) return result.value;
  throw unreadable(description, derErrorText[result.error.code]);
}

function octetStringContent(
  bytes: Uint8Array,
  start: number,
  end: number,
  description: string,
): Uint8Array {
  const reader = new DerReader();
  if (reader.reset(bytes, start, end) && reader.skip(tags.octetString, end) && reader.close(end)) {
    return bytes.slice(reader.contentStart, reader.contentEnd);
  }
  throw unreadable(description, 'subjectKeyIdentifier is no OCTET STRING');
}

function unreadable(description: string, reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `${description} cannot be read: ${reason}`);
}

const certificateBlocks =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]*)-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Certificates of PEM text in their order; text around them is skipped. */
export function certificatesInPem(pem: string): readonly Uint8Array[] {
  return [...pem.matchAll(certificateBlocks)].map(([, base64 = '']) =>
    Buffer.from(base64, 'base64'),
  );
}

/** The same of what people give. INVALID_INPUT with the line of a block that was cut off. */
export function certificatesInGivenPem(pem: string): readonly Uint8Array[] {
  pemBlocksOf(Buffer.from(pem));
  return certificatesInPem(pem);
}

/** PEM text of certificates, one behind the other. */
export function pemOfCertificates(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => pemEncode('CERTIFICATE', der)).join('');
}

/** Reads the chains of many CAs, of which most end with the same certificates: those are read once. */
export class CaCertificateReader {
  /** By the base64 of the PEM. */
  private readonly shared = new Map<string, CaCertificate>();

  /** Throws INVALID_INPUT as `readCaCertificate`. */
  read(chainPem: string, file: string): readonly CaCertificate[] {
    return [...chainPem.matchAll(certificateBlocks)].map(([, base64 = ''], index) => {
      const known = this.shared.get(base64);
      if (known !== undefined) return known;
      const certificate = readCaCertificate(
        Buffer.from(base64, 'base64'),
        `certificate ${String(index + 1)} in ${file}`,
      );
      if (index > 0) this.shared.set(base64, certificate);
      return certificate;
    });
  }
}
