import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ServerError } from '../client/server-error.js';

/** One line of the server's NDJSON. */
const lineSchema = z.looseObject({
  chunk: z.int().min(0),
  index: z.int().min(0),
  deviceId: z.string(),
  certificate: z.string().startsWith('-----BEGIN CERTIFICATE-----'),
});

export interface CertificateLine {
  /** Where `?firstChunk=` goes on. */
  readonly chunk: number;
  readonly index: number;
  readonly certificatePem: string;
}

/** Throws SERVER_NOT_UNDERSTOOD where the line is not one of a certificate. */
export function parseCertificateLine(line: string): CertificateLine {
  const parsed = lineSchema.safeParse(parseJson(line));
  if (!parsed.success) throw notACertificate(parsed.error);
  const { chunk, index, certificate } = parsed.data;
  return { chunk, index, certificatePem: certificate };
}

/** DER and the serial number in lower-case hex, read from the certificate itself. */
export function certificateOf(pem: string): { readonly der: Buffer; readonly serialHex: string } {
  try {
    const certificate = new X509Certificate(pem);
    return { der: certificate.raw, serialHex: certificate.serialNumber.toLowerCase() };
  } catch (cause) {
    throw notACertificate(cause);
  }
}

function notACertificate(cause: unknown): ServerError {
  return new ServerError({
    shownCode: 'SERVER_NOT_UNDERSTOOD',
    message: 'the server sent a line that holds no certificate',
    retry: 'never',
    cause,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
