import type { CertStatus, ResponseData } from '@certmill/der';
import type { BatchId, ChunkRef } from '@certmill/domain';

/** What is known of the pre-signed OCSP responses of one chunk's certificates. */
export interface OcspResponsesHead extends ChunkRef {
  readonly firstIndex: number;
  readonly count: number;
  readonly issuer: string;
  /** Names the responder's certificate, which is spliced in when a response is served. */
  readonly responder: string;
  readonly producedAtMs: number;
  readonly thisUpdateMs: number;
  /** In whole seconds, as the others: DER has no fractions. */
  readonly nextUpdateMs: number;
  /** What they tell, hashed: responses that tell the same need not be signed again before their time. */
  readonly digest: string;
}

export interface OcspResponses extends OcspResponsesHead {
  /** By place in the chunk, packed by `packPairs` of @certmill/pipeline; none where nothing was signed. */
  readonly pairs: readonly (Uint8Array | undefined)[];
}

/** What an answer about one certificate is made of. */
export interface OcspResponsePair {
  readonly issuer: string;
  readonly responder: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly packed: Uint8Array;
}

/** A delegated responder (RFC 6960 4.2.2.2) as clients need it; public. */
export interface OcspResponder {
  /** SHA-256 of its certificate, hex. */
  readonly id: string;
  readonly issuer: string;
  readonly certificateDer: Uint8Array;
  readonly notAfterMs: number;
}

/**
 * What a validation authority serves without a key. It can be made again from segments and statuses
 * at any time, so none of it has to be in a backup.
 */
export interface OcspStore {
  /**
   * In place of the chunk's ones that were produced at `replaces`, undefined: where it has none; in one
   * effect. False where it has others, or these were produced no later: what their maker did not know
   * of stays.
   */
  putResponses(responses: OcspResponses, replaces: number | undefined): Promise<boolean>;
  /** Resolves when all that was put or removed before is durable: until then it may be lost with the machine. */
  settle(): Promise<void>;
  /** Takes away what was produced at that time; false where the chunk has others, or none. */
  removeResponses(batchId: BatchId, firstIndex: number, producedAtMs: number): Promise<boolean>;
  /** Of the chunk that holds the index, whether they are still in time or not. */
  findResponses(batchId: BatchId, index: number): Promise<OcspResponsesHead | undefined>;
  /**
   * Of one request, with what is known of the same responses. Reads little more than that: an answer that
   * read a whole chunk would cost ten times as much.
   */
  findPair(batchId: BatchId, index: number): Promise<OcspResponsePair | undefined>;
  /** First indexes of the chunks of a batch that have responses, ascending. */
  listFirstIndexes(batchId: BatchId): Promise<readonly number[]>;
  /** Chunks of these issuers whose responses end before `beforeMs`, the first to end first. */
  listEndingResponses(
    beforeMs: number,
    page: { readonly issuers: readonly string[]; readonly limit: number },
  ): Promise<readonly (ChunkRef & { readonly nextUpdateMs: number })[]>;
  /** Removes responses that ended before; those of certificates that ended are made no more. */
  forgetResponses(endedBeforeMs: number): Promise<number>;
  /** Insert if absent. */
  putResponder(responder: OcspResponder): Promise<void>;
  getResponder(id: string): Promise<OcspResponder | undefined>;
}

/** A response before the responder, who adds its key's hash, has signed it. */
export type UnsignedOcspAnswer = Omit<ResponseData, 'responderKeyHash'>;

/** Signs answers while their clients wait: a responder's key, never an issuer's. */
export interface OcspSigner {
  /**
   * Resolves to the encoded BasicOCSPResponse with the responder's certificate; undefined where the
   * issuer has no responder here whose certificate is in time. Faults: FAULT_OVERLOADED,
   * FAULT_WORKER_LOST.
   */
  signAnswer(issuer: string, answer: UnsignedOcspAnswer): Promise<Uint8Array | undefined>;
}

/** What a certificate's responses tell. */
export interface PresignedStatus {
  /** Its place in the chunk. */
  readonly place: number;
  readonly serialNumber: Uint8Array;
  readonly status: CertStatus;
}

/** A chunk's responses to be, in both CertID hashes. */
export interface ResponsesToSign {
  /** Requests of the chunk, whether they have certificates or not. */
  readonly count: number;
  readonly statuses: readonly PresignedStatus[];
  readonly thisUpdateSeconds: number;
  readonly nextUpdateSeconds: number;
}

/** Signs responses ahead, in bulk. */
export interface OcspPresigner {
  /**
   * Resolves to the responses by place, packed, and the responder that signed them; undefined as for
   * `OcspSigner.signAnswer`, and the same faults.
   */
  signResponses(
    issuer: string,
    responses: ResponsesToSign,
  ): Promise<
    { readonly pairs: OcspResponses['pairs']; readonly responder: OcspResponder } | undefined
  >;
}

/** Where issuer keys are: makes the certificates of delegated responders. */
export interface ResponderCertifier {
  /**
   * Resolves to a certificate (RFC 6960 4.2.2.2: id-kp-OCSPSigning, id-pkix-ocsp-nocheck) of the P-256
   * key. Faults: those of the issuer's slots, FAULT_LINT_FAILED.
   */
  certifyResponder(
    issuer: string,
    subjectPKInfoDer: Uint8Array,
    notBeforeMs: number,
    notAfterMs: number,
  ): Promise<Uint8Array>;
}
