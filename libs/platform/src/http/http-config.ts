import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import { defaultReadingPace } from './slow-readers.js';

const file = z.string().min(1);

/** How the HTTP face listens and what it bears. Unknown keys are refused. */
export const httpConfigSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(8460),
  tls: z
    .strictObject({
      certFile: file,
      keyFile: file,
      /** Set: every client must present a certificate of this CA. */
      clientCaFile: file.optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      maxCsrBytes: z
        .int()
        .min(1024)
        .default(64 * 1024),
      /** Bodies that are not streamed. */
      maxSmallBodyBytes: z
        .int()
        .min(1024)
        .default(1024 * 1024),
      uploadsAtOnce: z.int().min(1).default(32),
      uploadsAtOncePerTenant: z.int().min(1).default(8),
      /** Of these, allow-lists, one per tenant: the ids on them are in memory until their end. */
      importsAtOnce: z.int().min(1).default(2),
      /** Single enrolments that wait at once; more get 429. */
      enrolmentsAtOnce: z.int().min(1).default(256),
      enrolmentsAtOncePerTenant: z.int().min(1).default(128),
      /** Downloads and followers of events; more get 429. With the others below `maxConnections`. */
      downloadsAtOnce: z.int().min(1).default(512),
      downloadsAtOncePerTenant: z.int().min(1).default(256),
      /** Dry runs, calendars and revocations of many certificates; more get 429. */
      walksAtOnce: z.int().min(1).default(8),
      walksAtOncePerTenant: z.int().min(1).default(2),
      /** Certificates that one call revokes, of a batch, an order or an issuer; more are a mass operation. */
      maxRevocationsPerCall: z.int().min(1).default(10_000),
      /** CRLs and certificates of CAs that are being sent; more get 429. */
      repositoryCallsAtOnce: z.int().min(1).default(256),
      /** Of these, a client that takes nothing for this long is cut. */
      idleReaderMs: z.int().min(100).default(defaultReadingPace.idleReaderMs),
      /** Slower clients are cut, on average and beyond `idleReaderMs`. */
      minReaderBytesPerSecond: z.int().min(1).default(defaultReadingPace.minReaderBytesPerSecond),
      /** Open connections, idle ones too; one more is closed at once. */
      maxConnections: z.int().min(1).default(1024),
      /** For the headers, and for the TLS handshake before them. */
      headersTimeoutMs: z.int().min(100).default(15_000),
      /** An upload that sends nothing for this long is cut; it can be resumed. */
      idleUploadMs: z.int().min(100).default(60_000),
      /** Slower clients are cut, averaged over the time that we waited for them. */
      minUploadBytesPerSecond: z.int().min(0).default(64),
      /** Bodies that are not streamed must be there in this time. */
      smallBodyTimeoutMs: z.int().min(100).default(30_000),
    })
    .prefault({}),
  /** A single enrolment answers 202 when it takes longer. */
  enrollDeadlineMs: z.int().min(100).default(10_000),
});

export type HttpConfig = z.infer<typeof httpConfigSchema>;

/** The configuration as an injectable value. */
export class HttpConfigHolder {
  readonly value: HttpConfig;

  constructor(value: HttpConfig) {
    this.value = value;
  }
}

export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return host === '::1';
  return host === 'localhost';
}

/** Off loopback only with TLS (CONFIG_INVALID). */
export function assertListenable(config: HttpConfig): void {
  if (!isLoopback(config.host) && config.tls === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `refusing to listen on ${config.host} without TLS: set http.tls.certFile and http.tls.keyFile, or listen on 127.0.0.1`,
    );
  }
}

/** The TLS options of node:https; CONFIG_INVALID names the file that cannot be read. */
export function tlsOptionsOf(config: HttpConfig):
  | {
      cert: Buffer;
      key: Buffer;
      ca?: Buffer;
      requestCert: boolean;
      rejectUnauthorized: boolean;
      minVersion: 'TLSv1.2';
      handshakeTimeout: number;
    }
  | undefined {
  const { tls } = config;
  if (tls === undefined) return undefined;
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new CertmillError('CONFIG_INVALID', `http.tls: cannot read ${path}`, { cause });
    }
  };
  const mutual = tls.clientCaFile !== undefined;
  return {
    cert: read(tls.certFile),
    key: read(tls.keyFile),
    ...(tls.clientCaFile === undefined ? {} : { ca: read(tls.clientCaFile) }),
    requestCert: mutual,
    rejectUnauthorized: mutual,
    minVersion: 'TLSv1.2',
    handshakeTimeout: config.limits.headersTimeoutMs,
  };
}
