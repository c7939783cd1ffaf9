import type { ReceivedChunk } from '@certmill/events';

/** What the checks that need only the request and the profile say of a chunk. */
export interface Examination {
  /** Rejection numbers, 0 where the request passed. */
  readonly codes: readonly number[];
  readonly details: readonly string[];
  /** 32 octets each, back to back; zeros where the key could not be read. */
  readonly udids: Uint8Array;
  /** The device as told by the upload or, where the profile says so, by the request; '' where by neither. */
  readonly deviceIds: readonly string[];
  /** Per request, the values that the profile takes from CSRs, in the profile's order; undefined where absent. */
  readonly csrValues: readonly (readonly (string | Uint8Array | undefined)[])[];
}

/** Proof of possession, key policy and weak keys, names and extensions: pure CPU, in a worker pool. */
export interface RequestExaminer {
  /** `received` is the encoded ReceivedChunk. Faults: FAULT_OVERLOADED when the queue is full. */
  examine(received: Uint8Array, lane: ReceivedChunk['lane']): Promise<Examination>;
}

export interface SignedCertificates {
  readonly certificatesDer: Uint8Array;
  /** 0 where the verdict rejected the request. */
  readonly certificateLengths: readonly number[];
  readonly slot: string;
}

/** Splices and signs the accepted requests of a chunk in a slot that holds the issuer's key. */
export interface ChunkSigner {
  /**
   * Both arguments encoded. The TBSCertificate of each request is a pure function of them, of the
   * profile and of the serial key. Faults: FAULT_HSM_LOST once no slot of the issuer is left,
   * FAULT_OVERLOADED, FAULT_KEY_MISMATCH (halt).
   */
  sign(
    received: Uint8Array,
    verdict: Uint8Array,
    lane: ReceivedChunk['lane'],
  ): Promise<SignedCertificates>;
}
