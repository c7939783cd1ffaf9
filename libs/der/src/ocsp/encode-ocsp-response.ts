import {
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeLength,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  lengthOctets,
} from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { NO_EXPIRATION_SECONDS } from '../encoding/der-time.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, contextPrimitive, tags } from '../encoding/tags.js';

/** OCSPResponseStatus (RFC 6960 4.2.1) of what is no answer; 4 is not used. */
export const ocspErrorStatuses = {
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6,
} as const;

export type OcspErrorStatus = keyof typeof ocspErrorStatuses;

/** CertStatus; `reasonNumber` is that of a CRLReason (RFC 5280 5.3.1), left out where it is 0. */
export type CertStatus =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly atSeconds: number; readonly reasonNumber: number }
  | { readonly kind: 'unknown' };

export interface SingleResponse {
  /** The CertID element, as it was asked for. */
  readonly certIdDer: Uint8Array;
  readonly status: CertStatus;
  readonly thisUpdateSeconds: number;
  readonly nextUpdateSeconds: number;
}

export interface ResponseData {
  /** SHA-1 of the responder's subjectPublicKey: ResponderID byKey (RFC 6960 4.2.1). */
  readonly responderKeyHash: Uint8Array;
  readonly producedAtSeconds: number;
  readonly responses: readonly SingleResponse[];
  /** Echoed (RFC 9654 2.1). */
  readonly nonce?: Uint8Array;
}

/** The parts of a BasicOCSPResponse; the certificates of the responder are none of what is signed. */
export interface BasicOcspResponse {
  readonly responseDataDer: Uint8Array;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificatesDer: readonly Uint8Array[];
}

const certIdAlgorithms = {
  sha1: encodeAlgorithmIdentifier(oids.id_sha1, encodeNull()),
  sha256: encodeAlgorithmIdentifier(oids.id_sha256, encodeNull()),
} as const;
const basicOid = encodeOid(oids.id_pkix_ocsp_basic);
const nonceOid = encodeOid(oids.id_pkix_ocsp_nonce);
/** OCSPResponseStatus. */
const successful = Uint8Array.of(tags.enumerated, 1, 0);
const good = Uint8Array.of(contextPrimitive(0), 0);
const unknown = Uint8Array.of(contextPrimitive(2), 0);

/** `CertID ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber }` (4.1.1). */
export function encodeCertId(
  hash: keyof typeof certIdAlgorithms,
  issuerNameHash: Uint8Array,
  issuerKeyHash: Uint8Array,
  serialNumber: Uint8Array,
): Uint8Array {
  return encodeSequence(
    certIdAlgorithms[hash],
    encodeOctetString(issuerNameHash),
    encodeOctetString(issuerKeyHash),
    encodeInteger(serialNumber),
  );
}

/**
 * `ResponseData ::= SEQUENCE { version DEFAULT v1, responderID, producedAt, responses,
 * responseExtensions [1] }` (RFC 6960 4.2.1): the bytes that the responder signs.
 */
export function encodeResponseData(data: ResponseData): Uint8Array {
  return encodeSequence(
    encodeTlv(contextConstructed(2), encodeOctetString(data.responderKeyHash)),
    generalizedTime(data.producedAtSeconds),
    encodeSequence(...data.responses.map(singleResponse)),
    ...(data.nonce === undefined ? [] : [nonceExtension(data.nonce)]),
  );
}

function singleResponse(response: SingleResponse): Uint8Array {
  if (response.nextUpdateSeconds <= response.thisUpdateSeconds) {
    throw new CertmillDerError('argument-invalid', 'nextUpdate lies after thisUpdate');
  }
  return encodeSequence(
    response.certIdDer,
    certStatus(response.status, response.thisUpdateSeconds),
    generalizedTime(response.thisUpdateSeconds),
    encodeTlv(contextConstructed(0), generalizedTime(response.nextUpdateSeconds)),
  );
}

/**
 * Not of a time to come, for who compares times would take the certificate for good until then: the clock of whoever
 * revoked may have been ahead.
 */
function certStatus(status: CertStatus, thisUpdateSeconds: number): Uint8Array {
  if (status.kind === 'good') return good;
  if (status.kind === 'unknown') return unknown;
  const { atSeconds, reasonNumber } = status;
  // RFC 5280 5.3.1: unspecified SHOULD be told by leaving the reason out.
  const reason = encodeTlv(tags.enumerated, Uint8Array.of(reasonNumber));
  return encodeTlv(
    contextConstructed(1),
    generalizedTime(Math.min(atSeconds, thisUpdateSeconds)),
    ...(reasonNumber === 0 ? [] : [encodeTlv(contextConstructed(0), reason)]),
  );
}

function nonceExtension(nonce: Uint8Array): Uint8Array {
  const value = encodeOctetString(encodeOctetString(nonce));
  return encodeTlv(contextConstructed(1), encodeSequence(encodeSequence(nonceOid, value)));
}

/** Always `YYYYMMDDHHMMSSZ` (RFC 6960 4.2.2.1), other than the Time of certificates. */
function generalizedTime(epochSeconds: number): Uint8Array {
  if (!Number.isInteger(epochSeconds) || epochSeconds < 0 || epochSeconds > NO_EXPIRATION_SECONDS) {
    throw new CertmillDerError('argument-invalid', 'a time is in whole seconds from 1970 to 9999');
  }
  const digits = new Date(epochSeconds * 1_000).toISOString().slice(0, 19).replaceAll(/\D/g, '');
  return encodeTlv(tags.generalizedTime, Buffer.from(`${digits}Z`, 'latin1'));
}

/** `BasicOCSPResponse ::= SEQUENCE { tbsResponseData, signatureAlgorithm, signature, certs [0] }`. */
export function encodeBasicOcspResponse(response: BasicOcspResponse): Uint8Array {
  const { responseDataDer, signatureAlgorithmDer, signature, certificatesDer } = response;
  const certs = encodeTlv(contextConstructed(0), encodeSequence(...certificatesDer));
  return encodeSequence(
    responseDataDer,
    signatureAlgorithmDer,
    encodeBitString(signature),
    ...(certificatesDer.length === 0 ? [] : [certs]),
  );
}

/** `OCSPResponse ::= SEQUENCE { successful (0), responseBytes [0] { id-pkix-ocsp-basic, ... } }`. */
export function encodeSuccessfulResponse(basicOcspResponseDer: Uint8Array): Uint8Array {
  const responseBytes = encodeSequence(basicOid, encodeOctetString(basicOcspResponseDer));
  return encodeSequence(successful, encodeTlv(contextConstructed(0), responseBytes));
}

/**
 * The same of a BasicOCSPResponse in two parts, what stands before its certificates and the only one of
 * these (RFC 6960 4.2.1). Each octet is copied once: a validation authority does little else.
 */
export function encodePresignedResponse(
  signedDer: Uint8Array,
  certificateDer: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const certs = tlvLength(certificateDer.length);
  const basic = signedDer.length + tlvLength(certs);
  const responseBytes = basicOid.length + tlvLength(tlvLength(basic));
  const whole = successful.length + tlvLength(tlvLength(responseBytes));
  const der = new Uint8Array(tlvLength(whole));
  let at = 0;
  const header = (tag: number, length: number): void => {
    der[at] = tag;
    at += 1;
    if (length < 0x80) {
      der[at] = length;
      at += 1;
    } else put(encodeLength(length));
  };
  const put = (bytes: Uint8Array): void => {
    der.set(bytes, at);
    at += bytes.length;
  };
  header(tags.sequence, whole);
  put(successful);
  header(contextConstructed(0), tlvLength(responseBytes));
  header(tags.sequence, responseBytes);
  put(basicOid);
  header(tags.octetString, tlvLength(basic));
  header(tags.sequence, basic);
  put(signedDer);
  header(contextConstructed(0), certs);
  header(tags.sequence, certificateDer.length);
  put(certificateDer);
  return der;
}

/** Octets of an element with so many of content. */
function tlvLength(contentLength: number): number {
  return 1 + lengthOctets(contentLength) + contentLength;
}

/** An OCSPResponse without responseBytes. */
export function encodeErrorResponse(status: OcspErrorStatus): Uint8Array {
  return encodeSequence(Uint8Array.of(tags.enumerated, 1, ocspErrorStatuses[status]));
}
