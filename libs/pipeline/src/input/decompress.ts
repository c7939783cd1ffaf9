import { pipeline, type Duplex } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import type { InputLimits } from './input-item.js';

export type Compression = 'gzip' | 'zstd';

/** Below this no ratio is judged: a small file of zeros harms nobody. */
const ratioFreeBytes = 8 * 1024 * 1024;

/**
 * Decodes a gzip (RFC 1952) or zstd (RFC 8878) stream piece by piece.
 * Faults: LIMIT_EXCEEDED as soon as more comes out than the limits allow, INVALID_INPUT where the
 * data are cut short or corrupt. An error of `stream` itself passes through unchanged.
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  compression: Compression,
  limits: InputLimits,
): AsyncGenerator<Uint8Array> {
  const decoder: Duplex = compression === 'gzip' ? createGunzip() : createZstdDecompress();
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
    throw new CertmillError('INVALID_INPUT', `the ${compression} data are cut short or corrupt`, {
      cause: error,
    });
  } finally {
    decoder.destroy();
  }
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
