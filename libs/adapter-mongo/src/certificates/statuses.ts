import {
  crlReasonOf,
  crlReasons,
  isOnHold,
  type BatchId,
  type CertificateStatus,
  type ChunkRef,
  type RevocationReason,
  type TenantId,
} from '@certmill/domain';
import type { Documents, Stored } from '../connection/documents.js';

/** `_id`: `<tenant>/<batch>/<index>`. A certificate without one is good. */
export interface StatusDocument extends Stored {
  readonly state: 'revoked' | 'released';
  /** CRLReason (RFC 5280 5.3.1), of a revoked one. */
  readonly reason?: number;
  readonly atMs?: number;
  readonly invalidityDateMs?: number;
  /** Of the log of its CRL's scope: the last one that changed it. */
  readonly entry?: number;
}

export function statusKey(tenant: TenantId, batchId: BatchId, index: number): string {
  return `${tenant}/${batchId}/${String(index)}`;
}

/** The status of single certificates. */
export class Statuses {
  readonly #statuses: Documents<StatusDocument>;

  constructor(statuses: Documents<StatusDocument>) {
    this.#statuses = statuses;
  }

  async getStatus(tenant: TenantId, batchId: BatchId, index: number): Promise<CertificateStatus> {
    const found = await this.#statuses.get(statusKey(tenant, batchId, index));
    return found === undefined ? { state: 'good' } : statusIn(found);
  }

  async listStatuses(
    tenant: TenantId,
    batchId: BatchId,
    firstIndex: number,
    count: number,
  ): Promise<ReadonlyMap<number, CertificateStatus>> {
    const indexes = Array.from({ length: count }, (_, i) => firstIndex + i);
    const found = await this.getMany(indexes.map((index) => statusKey(tenant, batchId, index)));
    return new Map(
      indexes.flatMap((index) => {
        const status = found.get(statusKey(tenant, batchId, index))?.status;
        return status === undefined ? [] : [[index, status]];
      }),
    );
  }

  async areOnHold(
    requests: readonly { readonly chunk: ChunkRef; readonly index: number }[],
  ): Promise<readonly boolean[]> {
    const keys = requests.map(({ chunk, index }) => statusKey(chunk.tenant, chunk.batchId, index));
    const found = await this.getMany(keys);
    return keys.map((key) => {
      const status = found.get(key)?.status;
      return status !== undefined && isOnHold(status);
    });
  }

  /** Those that are there, by key, each with the number of the entry that changed it last. */
  async getMany(
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly status: CertificateStatus; readonly entry: number }>> {
    const found = await this.#statuses.getMany(keys);
    return new Map(
      found.map((document) => [
        document._id,
        { status: statusIn(document), entry: document.entry ?? 0 },
      ]),
    );
  }

  /** What an entry makes of certificates, by key; those that a later entry has changed stay. */
  putNewer(statuses: ReadonlyMap<string, CertificateStatus>, entry: number): Promise<void> {
    const documents = [...statuses].map(([_id, status]) => ({ _id, ...fieldsOf(status), entry }));
    return this.#statuses.putNewer(documents, 'entry');
  }
}

function statusIn({ state, reason, atMs, invalidityDateMs }: StatusDocument): CertificateStatus {
  if (state === 'released') {
    return { state: 'good', ...(atMs === undefined ? {} : { releasedAtMs: atMs }) };
  }
  return {
    state: 'revoked',
    reason: revocationReasonOf(reason),
    atMs: atMs ?? 0,
    ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
  };
}

function fieldsOf(status: CertificateStatus): Omit<StatusDocument, '_id'> {
  if (status.state === 'good') {
    const { releasedAtMs } = status;
    return { state: 'released', ...(releasedAtMs === undefined ? {} : { atMs: releasedAtMs }) };
  }
  const { reason, ...rest } = status;
  return { ...rest, reason: crlReasons[reason] };
}

function revocationReasonOf(number: number | undefined): RevocationReason {
  const reason = number === undefined ? undefined : crlReasonOf(number);
  return reason === undefined || reason === 'removeFromCRL' ? 'unspecified' : reason;
}
