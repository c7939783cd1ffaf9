import { maxDeviceIdBytes, type Rejection } from '@certmill/domain';

/** One request of an upload, in the order in which it stands there. */
export interface InputItem {
  /**
   * DER of the CertificationRequest (RFC 2986), empty where rejected. It may be a view into a
   * larger buffer that belongs to the items of one batch: it stays valid and MUST NOT be changed.
   */
  readonly der: Uint8Array;
  /** '' where the upload gives none: the profile may take it from the request. */
  readonly deviceId: string;
  /** Where it stood: `line 17`, `byte 512`, `folder/a.pem:17`, `folder/a.der`. */
  readonly source: string;
  /** Present where the request was refused; the index is kept and the stream goes on. */
  readonly rejection?: Rejection;
}

/** Bounds of what a reader holds and accepts. All in octets unless they say otherwise. */
export interface InputLimits {
  /** DER of one request. */
  readonly maxCsrBytes: number;
  /** One line of NDJSON, one record of CSV, one PEM block with its headers. */
  readonly maxLineBytes: number;
  /** Device id in octets of UTF-8. */
  readonly maxDeviceIdBytes: number;
  /** After decompression, of one stream. */
  readonly maxDecompressedBytes: number;
  /** Decompressed to compressed octets; judged once `ratioFreeBytes` came out. */
  readonly maxDecompressionRatio: number;
}

/**
 * A real request has 0.3-5 KiB. CSRs hardly compress: hex, base64 and repeated names stay under
 * 10:1, while a bomb needs hundreds. 64 GiB is more than the largest batch (2^24 requests) of usual
 * size.
 */
export const defaultInputLimits: InputLimits = {
  maxCsrBytes: 64 * 1024,
  maxLineBytes: 128 * 1024,
  maxDeviceIdBytes,
  maxDecompressedBytes: 64 * 1024 ** 3,
  maxDecompressionRatio: 200,
};
