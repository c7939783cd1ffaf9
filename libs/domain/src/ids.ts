import { hash } from 'node:crypto';
import { CertmillError } from './faults.js';

/** Bulk chunks never delay an interactive enrolment: each lane has its own topics and consumers. */
export type Lane = 'bulk' | 'interactive';

/** A tenant or order name: lower-case letters, digits and hyphens, 1-63 characters. */
const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export type TenantId = string;
export type OrderId = string;
/** 104 bits as 26 lower-case hex digits: the length that a serial number has room for. */
export type BatchId = string;

export const batchIdBytes = 13;
/** The index of a request in its batch has 24 bits in the serial number. */
export const maxRequestsPerBatch = 0xff_ffff;
/** What every reader takes; how many a chunk is cut to is pinned in its order (`requestsPerChunk`). */
export const maxRequestsPerChunk = 1_024;
/** So many requests of every admitted profile fit a chunk's record. */
export const leastRequestsPerChunk = 256;
export const maxChunkBytes = 512 * 1024;
/** Of a record with its headers and framing, in both wirings. */
export const maxRecordBytes = 4 * 1024 * 1024;
/**
 * What one request may add to the record of a chunk of `leastRequestsPerChunk` at most, in octets.
 * Profiles are held against these when they are admitted, sources are cut.
 */
export const requestBounds = {
  /** Of a certificate; on average over a chunk where the profile bounds it otherwise. */
  certificate: 8 * 1024,
  /** Of the values that a profile takes from the request and its device. */
  values: 4 * 1024,
  /** Of both together: all certificates of a chunk with their values, the requests beside them. */
  certificateAndValues: 9 * 1024,
  /** Of the text that says where a request stood in its upload. */
  source: 1024,
} as const;
/** In octets of UTF-8: longer ids fit no certificate field (RFC 5280 ub-serial-number and -common-name are 64). */
export const maxDeviceIdBytes = 128;

export function isName(value: string): boolean {
  return namePattern.test(value);
}

export function assertName(kind: string, value: string): void {
  if (!isName(value)) {
    throw new CertmillError(
      'INVALID_INPUT',
      `${kind} '${value.slice(0, 80)}' must be 1-63 lower-case letters, digits and inner hyphens`,
    );
  }
}

/**
 * The batch id: the first 104 bits of SHA-256 over store epoch, tenant, order and Idempotency-Key,
 * each preceded by its length, so sending an upload twice names the same batch.
 * @param epoch 16 random octets, new after every restore.
 */
export function batchIdOf(
  epoch: Uint8Array,
  tenant: TenantId,
  orderId: OrderId,
  idempotencyKey: string,
): BatchId {
  const parts = [epoch, Buffer.from(tenant), Buffer.from(orderId), Buffer.from(idempotencyKey)];
  const framed = parts.flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return [length, part];
  });
  return hash('sha256', Buffer.concat(framed), 'hex').slice(0, batchIdBytes * 2);
}

/** One chunk of a batch: the unit that travels, is committed and is retried. */
export interface ChunkRef {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  /** 0, 1, 2 ... within the batch. */
  readonly chunkNumber: number;
}

/** `<batch id>.<chunk number>`; the CloudEvents id and the idempotency key of every effect. */
export function chunkIdOf(chunk: ChunkRef): string {
  return `${chunk.batchId}.${String(chunk.chunkNumber)}`;
}

/** A request: its place never changes. */
export interface RequestRef {
  readonly batchId: BatchId;
  readonly index: number;
}
