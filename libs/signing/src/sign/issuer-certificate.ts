import {
  createCertificateWalk,
  type DecodedExtension,
  DerReader,
  keyIdentifier,
  oids,
  readBasicConstraints,
  readExtensions,
  readKeyUsage,
  tags,
  walkCertificate,
} from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import {
  type IssuerLimits,
  limitsOfChain,
  readCertificateLimits,
} from '@certmill/pipeline/compute';

/** What certificates and checks take from an issuer's own certificate; byte arrays are views of it. */
export interface IssuerCertificate {
  /** The subject Name element. */
  readonly subjectDer: Uint8Array;
  readonly subjectPKInfoDer: Uint8Array;
  /** Its subjectKeyIdentifier, or where it has none the SHA-1 of its key (RFC 5280 4.2.1.2 (1)). */
  readonly keyIdentifier: Uint8Array;
  /** Whether its keyUsage, where it has one, allows cRLSign (RFC 5280 4.2.1.3). */
  readonly signsCrls: boolean;
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
  /** What its whole chain leaves to its certificates. */
  readonly limits: IssuerLimits;
}

/**
 * Faults: CONFIG_INVALID where it is not the certificate of a CA.
 * @param aboveDer the certificates above it in its chain: their limits are held too.
 */
export function readIssuerCertificate(
  issuerName: string,
  certificateDer: Uint8Array,
  aboveDer: readonly Uint8Array[] = [],
): IssuerCertificate {
  const refuse = (reason: string): CertmillError =>
    new CertmillError('CONFIG_INVALID', `the certificate of issuer ${issuerName} ${reason}`);
  const walk = createCertificateWalk();
  if (!walkCertificate(certificateDer, 0, certificateDer.length, walk)) {
    throw refuse(`is not DER (${String(walk.error)} at octet ${String(walk.errorOffset)})`);
  }
  if (walk.extensionsStart < 0) throw refuse('is not of a CA: it has no extensions');
  const read = readExtensions(certificateDer, walk.extensionsStart, walk.extensionsEnd);
  if (!read.ok) throw refuse(`has bad extensions (${read.error.code})`);
  const valueOf = (oid: string): DecodedExtension | undefined =>
    read.value.find((extension) => extension.oid === oid);

  const constraints = valueOf(oids.id_ce_basicConstraints);
  const basic =
    constraints === undefined
      ? undefined
      : readBasicConstraints(certificateDer, constraints.valueStart, constraints.valueEnd);
  if (basic?.ok !== true || !basic.value.cA) {
    throw refuse('is not of a CA: basicConstraints does not say cA (RFC 5280 4.2.1.9)');
  }

  let signsCrls = true;
  const usage = valueOf(oids.id_ce_keyUsage);
  if (usage !== undefined) {
    const bits = readKeyUsage(certificateDer, usage.valueStart, usage.valueEnd);
    if (!bits.ok || !bits.value.includes('keyCertSign')) {
      throw refuse('must not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 4.2.1.3)');
    }
    signsCrls = bits.value.includes('cRLSign');
  }

  const subjectPKInfoDer = certificateDer.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
  const ski = valueOf(oids.id_ce_subjectKeyIdentifier);
  return {
    subjectDer: certificateDer.subarray(walk.subjectStart, walk.subjectEnd),
    subjectPKInfoDer,
    keyIdentifier:
      ski === undefined
        ? keyIdentifier('sha1', subjectPKInfoDer, 0, subjectPKInfoDer.length)
        : octetString(certificateDer, ski.valueStart, ski.valueEnd),
    signsCrls,
    notBeforeSeconds: walk.notBeforeSeconds,
    notAfterSeconds: walk.notAfterSeconds,
    limits: limitsOf([certificateDer, ...aboveDer], refuse),
  };
}

function limitsOf(
  chainDer: readonly Uint8Array[],
  refuse: (reason: string) => CertmillError,
): IssuerLimits {
  try {
    return limitsOfChain(chainDer.map(readCertificateLimits));
  } catch {
    throw refuse('or one above it has limits that cannot be read');
  }
}

function octetString(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const reader = new DerReader();
  if (!reader.reset(bytes, start, end) || !reader.skip(tags.octetString, end)) {
    throw new CertmillError('CONFIG_INVALID', 'the subjectKeyIdentifier of an issuer is not DER');
  }
  return bytes.subarray(reader.contentStart, reader.contentEnd);
}
