import type { BatchId, ChunkRef, Lane, OrderId, TenantId } from '@certmill/domain';

/**
 * What travels between the stages: one chunk per record. Columns are aligned by position: entry i of
 * each column belongs to the request with index `firstIndex + i`. DER stays bytes, back to back, so a
 * chunk is decoded without touching its requests. Byte arrays of a decoded chunk are views into the
 * record: they live as long as it does and MUST NOT be changed.
 */
export interface ReceivedChunk extends ReceivedPins {
  /** The requests' DER back to back; a request refused at ingest has length 0. */
  readonly requestsDer: Uint8Array;
  readonly requestLengths: readonly number[];
  /** Device id of the upload, '' where it gave none. */
  readonly deviceIds: readonly string[];
  /** Where the request stood in the upload, e.g. `line 17`; '' where that is its index. */
  readonly sources: readonly string[];
  /** Rejection numbers given at ingest, 0 where the request goes on. */
  readonly rejections: readonly number[];
  /** Aligned with `rejections`; '' where not rejected. */
  readonly rejectionDetails: readonly string[];
}

/** A received chunk without its columns: all that most of the way needs, at a hundredth of the cost. */
export interface ReceivedHead extends ReceivedPins {
  readonly count: number;
}

/** Which chunk it is, and what ingest pinned in it. */
export interface ReceivedPins extends ChunkRef {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
  readonly batchId: BatchId;
  readonly chunkNumber: number;
  readonly firstIndex: number;
  readonly lane: Lane;
  /** Pinned by ingest: notBefore comes from here, whoever replays the chunk and whenever. */
  readonly receivedAtMs: number;
  /** Past this, sign refuses the chunk (ISSUER_UNAVAILABLE). */
  readonly signBeforeMs: number;
  /** SHA-256 of the canonical profile, hex. */
  readonly profileHash: string;
  readonly issuer: string;
  readonly serialKeyId: number;
  /**
   * Of Matter's attestation certificates: ids in the issuer's name, which their subjects share. Four
   * upper-case hex digits each; absent where any will do.
   */
  readonly heldIds?: { readonly vendorId?: string; readonly productId?: string };
}

/** The decision on a chunk, stored before anything follows from it and never made twice. */
export interface Verdict {
  /** Rejection numbers, 0 where a certificate is to be issued. */
  readonly codes: readonly number[];
  /** '' where accepted. */
  readonly details: readonly string[];
  /** The device as decided, '' where it could not be told. */
  readonly deviceIds: readonly string[];
  /** SHA-256 of each SubjectPublicKeyInfo, 32 octets each, back to back; zeros where it could not be read. */
  readonly udids: Uint8Array;
  /** Slot values of each accepted request in the order of the profile's slots, `valuesPerRequest` each. */
  readonly valuesPerRequest: number;
  /** `codes.length * valuesPerRequest` entries; an empty array is an absent value. */
  readonly values: readonly Uint8Array[];
}

/** A chunk with its verdict: the durable intent to sign. `received` is the encoded ReceivedChunk, unchanged. */
export interface ValidatedChunk {
  readonly received: Uint8Array;
  readonly verdict: Uint8Array;
}

/** A chunk's end: certificates and rejections. One of these, the first durable one, is its terminal record. */
export interface IssuedChunk {
  readonly received: Uint8Array;
  readonly verdict: Uint8Array;
  /** Certificates back to back. */
  readonly certificatesDer: Uint8Array;
  /** 0 where none was issued. */
  readonly certificateLengths: readonly number[];
  /**
   * 0, or the rejection number (BATCH_CANCELLED, ISSUER_UNAVAILABLE, PROCESSING_FAILED) that ended
   * every request the verdict had accepted: nothing of this chunk was signed then.
   */
  readonly endedBy: number;
  readonly endedDetail: string;
}

/** A hint that a chunk became fetchable; readers still read the store only. */
export interface PublishedChunk extends ChunkRef {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
  readonly batchId: BatchId;
  readonly chunkNumber: number;
}
