import type { BatchId, CertificateStatus, TenantId } from '@certmill/domain';
import type { Documents, Stored } from '../connection/documents.js';

/** `_id`: `<tenant>/<batch>/<index>`. A certificate without one is good. */
export interface StatusDocument extends Stored {
  readonly state: 'revoked' | 'superseded';
  readonly reason?: number;
  readonly atMs?: number;
}

function statusKey(tenant: TenantId, batchId: BatchId, index: number): string {
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
    if (found === undefined) return { state: 'good' };
    return { state: found.state, ...reasonOf(found) };
  }

  async setStatus(
    tenant: TenantId,
    batchId: BatchId,
    index: number,
    status: CertificateStatus,
  ): Promise<void> {
    const _id = statusKey(tenant, batchId, index);
    if (status.state === 'good') await this.#statuses.remove({ _id });
    else await this.#statuses.put({ _id, state: status.state, ...reasonOf(status) });
  }
}

function reasonOf({ reason, atMs }: Pick<CertificateStatus, 'reason' | 'atMs'>) {
  return { ...(reason === undefined ? {} : { reason }), ...(atMs === undefined ? {} : { atMs }) };
}
