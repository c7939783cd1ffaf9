import { crlShardOf, serialNumberBytes, CertmillError, type ChunkRef } from '@certmill/domain';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { decodeIssuedChunk, decodeReceivedHead, decodeVerdict } from '@certmill/events';
import type { CertificateStore, CrlScope } from '@certmill/ports';
import { resultsOf } from '../publish/read-results.js';

/** An issued certificate with what a change of its status takes. */
export interface IssuedCertificate {
  readonly tenant: string;
  readonly batchId: string;
  /** In which it was issued, and its status is signed ahead. */
  readonly chunkNumber: number;
  readonly index: number;
  readonly deviceId: string;
  /** Of its key, 32 octets. */
  readonly udid: Uint8Array;
  readonly scope: CrlScope;
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
}

export interface CertificateReaderPorts {
  readonly certificates: Pick<CertificateStore, 'getSegment'>;
  /** Of an issuer's CRL; undefined where the issuer is not known. */
  readonly crlShardsOf: (issuer: string) => number | undefined;
}

const udidBytes = 32;
/** Single certificates are often asked for in the order in which they were made. */
const chunksKept = 4;

/** Reads issued certificates from the segments of their chunks. */
export class CertificateReader {
  readonly #ports: CertificateReaderPorts;
  readonly #kept = new Map<string, readonly IssuedCertificate[]>();

  constructor(ports: CertificateReaderPorts) {
    this.#ports = ports;
  }

  /** Those of a chunk; undefined where it has not ended. */
  async ofChunk(chunk: ChunkRef): Promise<readonly IssuedCertificate[] | undefined> {
    const key = `${chunk.tenant}/${chunk.batchId}/${String(chunk.chunkNumber)}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const segment = await this.#ports.certificates.getSegment(chunk);
    if (segment === undefined) return undefined;
    const certificates = certificatesIn(chunk, segment, this.#ports.crlShardsOf);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= chunksKept && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, certificates);
    return certificates;
  }
}

/**
 * The certificates of a terminal record. Faults: CONFLICT where its issuer is not known any more,
 * FAULT_STORE_CORRUPT.
 */
export function certificatesIn(
  { tenant, batchId, chunkNumber }: ChunkRef,
  segment: Uint8Array,
  crlShardsOf: CertificateReaderPorts['crlShardsOf'],
): readonly IssuedCertificate[] {
  const issued = decodeIssuedChunk(segment);
  const { issuer } = decodeReceivedHead(issued.received);
  const crlShards = crlShardsOf(issuer);
  if (crlShards === undefined) {
    throw new CertmillError(
      'CONFLICT',
      `issuer '${issuer}' is not known here, so nothing can be said in its CRL`,
    );
  }
  const walk = createCertificateWalk();
  const { udids } = decodeVerdict(issued.verdict);
  return resultsOf(segment).flatMap(({ index, deviceId, certificateDer }, position) => {
    if (certificateDer === undefined) return [];
    if (!walkCertificate(certificateDer, 0, certificateDer.length, walk)) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a stored certificate cannot be read');
    }
    const { serialNumberStart, serialNumberEnd, notAfterSeconds } = walk;
    if (serialNumberEnd - serialNumberStart !== serialNumberBytes) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a stored serial number is not ours');
    }
    return {
      tenant,
      batchId,
      chunkNumber,
      index,
      deviceId,
      udid: new Uint8Array(udids.subarray(position * udidBytes, (position + 1) * udidBytes)),
      scope: { issuer, shard: crlShardOf(batchId, index, crlShards) },
      // A copy: a view would keep the segment in memory.
      serialNumber: new Uint8Array(certificateDer.subarray(serialNumberStart, serialNumberEnd)),
      notAfterMs: notAfterSeconds * 1_000,
    };
  });
}
