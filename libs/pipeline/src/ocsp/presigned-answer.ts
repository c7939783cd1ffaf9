import { encodePresignedResponse, type CertIdRange } from '@certmill/der';
import {
  requestOfSerialNumber,
  serialKeyIdOf,
  type BatchId,
  type SerialKey,
} from '@certmill/domain';
import type { OcspResponder, OcspResponsePair } from '@certmill/ports';
import type { certIdHashes } from './ocsp-issuers.js';
import { responseInPair } from './packed-pair.js';

/** Until when an answer may be kept, in milliseconds; errors may not be. */
export interface AnswerTimes {
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
}

export interface SuccessfulAnswer {
  readonly kind: 'successful';
  readonly der: Uint8Array;
  readonly times: AnswerTimes;
  /** Others who ask the same may get it: no nonce is in it, and nothing that may be known soon. */
  readonly isForAll: boolean;
  /**
   * It was signed ahead, and its issuer is known and not revoked: others of that issuer may be told as they
   * are read, for a moment.
   */
  readonly isReadable?: boolean;
}

/** Pre-signed responses where they can be read at once. */
export interface PresignedReader {
  findPair(batchId: BatchId, index: number): OcspResponsePair | undefined;
  getResponder(id: string): OcspResponder | undefined;
}

/** Where the response to a request about one certificate lies. */
export interface AskedResponse {
  readonly batchId: BatchId;
  readonly index: number;
  readonly hash: (typeof certIdHashes)[number];
  /** The elements of the CertID behind its hash algorithm, whose parameters may differ. */
  readonly certIdTail: Buffer;
}

/** Of an issuer's name, in front of its content: no hash that is known has 128 octets. */
const shortHeaderBytes = 2;

/** Undefined where nothing can be signed ahead: the number is none that these keys made. */
export function askedResponse(
  serialKeys: ReadonlyMap<number, SerialKey>,
  requestDer: Uint8Array,
  { hash, issuerNameHashStart, serialNumberStart, serialNumberEnd }: CertIdRange,
): AskedResponse | undefined {
  if (hash === 'unsupported') return undefined;
  const serialNumber = requestDer.subarray(serialNumberStart, serialNumberEnd);
  const serialKey = serialKeys.get(serialKeyIdOf(serialNumber) ?? 0);
  if (serialKey === undefined) return undefined;
  const { batchId, index } = requestOfSerialNumber(serialKey, serialNumber);
  const tailStart = issuerNameHashStart - shortHeaderBytes;
  const certIdTail = viewOf(requestDer.subarray(tailStart, serialNumberEnd));
  return { batchId, index, hash, certIdTail };
}

export interface ToldResponse {
  /** What of a BasicOCSPResponse stands before its certificates. */
  readonly der: Uint8Array;
  readonly isGood: boolean;
}

/** Of `good [0] IMPLICIT NULL`: CertStatus stands behind the CertID (RFC 6960 4.2.1). */
const goodTag = 0x80;

/**
 * The response of the pair where it tells of the certificate that was asked about, issuer and number: the
 * same number under another issuer, and another time in its middle, were never issued.
 * Faults: FAULT_STORE_CORRUPT.
 */
export function responseTo(
  { hash, certIdTail }: AskedResponse,
  { packed }: OcspResponsePair,
): ToldResponse | undefined {
  const der = responseInPair(packed, hash);
  const at = viewOf(der).indexOf(certIdTail);
  return at < 0 ? undefined : { der, isGood: der[at + certIdTail.length] === goodTag };
}

/** `late`: its time is over, or its responder's. */
export function servedResponse(
  { der: signedDer }: ToldResponse,
  { thisUpdateMs, nextUpdateMs }: Pick<OcspResponsePair, 'thisUpdateMs' | 'nextUpdateMs'>,
  responder: OcspResponder | undefined,
  nowMs: number,
): SuccessfulAnswer | { readonly kind: 'late' } {
  if (responder === undefined || nowMs >= Math.min(nextUpdateMs, responder.notAfterMs)) {
    return { kind: 'late' };
  }
  const der = encodePresignedResponse(signedDer, responder.certificateDer);
  return { kind: 'successful', der, times: { thisUpdateMs, nextUpdateMs }, isForAll: true };
}

/**
 * The answer to a request about one certificate where it was signed ahead and is in time; undefined: whoever
 * knows more has to answer. That the issuer is not revoked is for the caller to know. Faults:
 * FAULT_STORE_CORRUPT, and the reader's.
 */
export function readPresignedAnswer(
  reader: PresignedReader,
  serialKeys: ReadonlyMap<number, SerialKey>,
  requestDer: Uint8Array,
  certId: CertIdRange,
  nowMs: number,
): SuccessfulAnswer | undefined {
  const asked = askedResponse(serialKeys, requestDer, certId);
  const pair = asked && reader.findPair(asked.batchId, asked.index);
  if (asked === undefined || pair === undefined) return undefined;
  const response = responseTo(asked, pair);
  if (response === undefined) return undefined;
  const served = servedResponse(response, pair, reader.getResponder(pair.responder), nowMs);
  return served.kind === 'successful' ? served : undefined;
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
