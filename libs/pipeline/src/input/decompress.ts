import { pipeline, type Duplex } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import type { InputLimits } from './input-item.js';

export type Compression = 'gzip' | 'zstd';

/** Below this no ratio is judged: a small file of zeros harms nobody. */
const ratioFreeBytes = 8 * 1024 * 1024;

/**
 * What a zstd frame makes a decoder hold: 8 MiB, which RFC 8878 3.1.1.1.2 asks decoders to bear. A gzip
 * window has 32 KiB.
 */
const maxWindowLog = 23;

/**
 * Decodes a gzip (RFC 1952) or zstd (RFC 8878) stream piece by piece.
 * Faults: LIMIT_EXCEEDED as soon as more comes out than the limits allow, or where a zstd frame asks
 * for a larger window; INVALID_INPUT where the data are cut short or corrupt. An error of `stream`
 * itself passes through unchanged.
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  compression: Compression,
  limits: InputLimits,
): AsyncGenerator<Uint8Array> {
  const decoder: Duplex =
    compression === 'gzip'
      ? createGunzip()
      : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } });
  const counted = { bytes: 0, failure: undefined as { readonly cause: unknown } | undefined };
  pipeline(counting(stream, counted), decoder, () => {
    // The loop below meets the same error, with what was decoded before it in order.
  });
  let bytes = 0;
  try {
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      assertBounded(bytes, counted.bytes, limits);
      yield chunk;
    }
  } catch (error) {
    if (counted.failure !== undefined) throw counted.failure.cause;
    if (error instanceof CertmillError) throw error;
    if (isWindowTooLarge(error)) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        'the zstd data ask for a window of more than 8 MiB; compress them without --long and --ultra',
        { cause: error },
      );
    }
    throw new CertmillError('INVALID_INPUT', `the ${compression} data are cut short or corrupt`, {
      cause: error,
    });
  } finally {
    decoder.destroy();
  }
}

function isWindowTooLarge(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ZSTD_error_frameParameter_windowTooLarge'
  );
}

async function* counting(
  stream: AsyncIterable<Uint8Array>,
  counted: { bytes: number; failure: { readonly cause: unknown } | undefined },
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      counted.bytes += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    counted.failure = { cause };
    throw cause;
  }
}

function assertBounded(bytes: number, compressedBytes: number, limits: InputLimits): void {
  if (bytes > limits.maxDecompressedBytes) {
    throw new CertmillError(
      'LIMIT_EXCEEDED',
      `the data have more than ${String(limits.maxDecompressedBytes)} octets when decompressed`,
    );
  }
  if (bytes > ratioFreeBytes && bytes > compressedBytes * limits.maxDecompressionRatio) {
    throw new CertmillError(
      'LIMIT_EXCEEDED',
      `the data grow more than ${String(limits.maxDecompressionRatio)} times when decompressed`,
    );
  }
}
