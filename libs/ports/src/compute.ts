import type { ReceivedChunk } from '@certmill/events';
import type { CrlScope } from './revocations.js';

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

/** What a CRL is to say. Who issues it, and where it lies, the slot knows itself. */
export interface CrlToSign {
  readonly scope: CrlScope;
  readonly crlNumber: bigint;
  /** Of a delta CRL: the number of the full one that it adds to (RFC 5280 5.2.4). */
  readonly baseCrlNumber?: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Whether a full CRL says where its deltas are (RFC 5280 5.2.6). */
  readonly hasDeltas: boolean;
  /** Bytes of `RevokedEntries`, ascending by serial number, each once. */
  readonly entries: Uint8Array;
}

export interface SignedCrl {
  /** CertificateList (RFC 5280 5.1). */
  readonly der: Uint8Array;
  readonly slot: string;
}

/** Builds a TBSCertList and signs it in a slot that holds the issuer's key. */
export interface CrlSigner {
  /**
   * Faults: FAULT_PROCESSING for what is no CRL of the issuer, FAULT_HSM_LOST once no slot of it is
   * left, FAULT_OVERLOADED, FAULT_STOPPING.
   */
  signCrl(crl: CrlToSign): Promise<SignedCrl>;
}
