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

/** As of an entry of the log of its CRL's scope. */
interface StatusOfEntry {
  readonly status: CertificateStatus;
  readonly entry: number;
}

/** The status of single certificates. */
export class Statuses {
  readonly #statuses: Documents<StatusDocument>;
  /** Of a store that is opened for reading: what would be written. */
  readonly #unwritten: Map<string, StatusOfEntry> | undefined;

  constructor(statuses: Documents<StatusDocument>, isReadOnly = false) {
    this.#statuses = statuses;
    this.#unwritten = isReadOnly ? new Map() : undefined;
  }

  async getStatus(tenant: TenantId, batchId: BatchId, index: number): Promise<CertificateStatus> {
    const key = statusKey(tenant, batchId, index);
    return (await this.getMany([key])).get(key)?.status ?? { state: 'good' };
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
  async getMany(keys: readonly string[]): Promise<ReadonlyMap<string, StatusOfEntry>> {
    const found = await this.#statuses.getMany(keys);
    const statuses = new Map(
      found.map((document) => [
        document._id,
        { status: statusIn(document), entry: document.entry ?? 0 },
      ]),
    );
    if (this.#unwritten === undefined) return statuses;
    for (const key of keys) {
      const unwritten = this.#unwritten.get(key);
      if (unwritten !== undefined) putIfNewer(statuses, key, unwritten);
    }
    return statuses;
  }

  /** What an entry makes of certificates, by key; those that a later entry has changed stay. */
  async putNewer(statuses: ReadonlyMap<string, CertificateStatus>, entry: number): Promise<void> {
    if (this.#unwritten !== undefined) {
      for (const [key, status] of statuses) putIfNewer(this.#unwritten, key, { status, entry });
      return;
    }
    const documents = [...statuses].map(([_id, status]) => ({ _id, ...fieldsOf(status), entry }));
    await this.#statuses.putNewer(documents, 'entry');
  }
}

function putIfNewer(statuses: Map<string, StatusOfEntry>, key: string, own: StatusOfEntry): void {
  if ((statuses.get(key)?.entry ?? 0) < own.entry) statuses.set(key, own);
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
