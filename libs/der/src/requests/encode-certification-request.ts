import {
  concatBytes,
  encodeBitString,
  encodeInteger,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
} from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';

export interface CertificationRequestFields {
  /** A Name. */
  readonly subjectDer: Uint8Array;
  readonly subjectPKInfoDer: Uint8Array;
  /** Each an Attribute; none by default. */
  readonly attributesDer?: readonly Uint8Array[];
  readonly signatureAlgorithmDer: Uint8Array;
  /** Gets the DER of CertificationRequestInfo; gives what goes into the BIT STRING. */
  readonly sign: (certificationRequestInfoDer: Uint8Array) => Uint8Array;
}

/**
 * What a device makes and `walkCertificationRequest` reads (RFC 2986 4):
 * CertificationRequestInfo ::= SEQUENCE { version, subject, subjectPKInfo, attributes [0] }.
 */
export function encodeCertificationRequest(fields: CertificationRequestFields): Uint8Array {
  const info = encodeSequence(
    encodeInteger(0),
    fields.subjectDer,
    fields.subjectPKInfoDer,
    encodeTlv(contextConstructed(0), concatBytes(fields.attributesDer ?? [])),
  );
  return encodeSequence(info, fields.signatureAlgorithmDer, encodeBitString(fields.sign(info)));
}

/** A Name (RFC 5280 4.1.2.4) that is one commonName, as a UTF8String of these octets. */
export function encodeCommonName(commonName: string | Uint8Array): Uint8Array {
  const value = typeof commonName === 'string' ? Buffer.from(commonName) : commonName;
  return encodeSequence(
    encodeSetOf(
      encodeSequence(encodeOid(oids.id_at_commonName), encodeTlv(tags.utf8String, value)),
    ),
  );
}
