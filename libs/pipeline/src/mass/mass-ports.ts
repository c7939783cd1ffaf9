import type {
  AllowListStore,
  AuditStore,
  BatchStore,
  CertificateStore,
  JobQueue,
  MassOperationStore,
  OrderStore,
} from '@certmill/ports';
import type { Authorities } from '../authorities.js';
import type { OrderPorts } from '../ingest/open-order.js';
import type { IngestPorts } from '../ingest/upload-batch.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';
import type { ChangePorts } from '../revoke/apply-changes.js';
import type { AuditPorts } from '../revoke/record-audit.js';

/** What mass operations read and change. */
export interface MassPorts extends ChangePorts, AuditPorts, Authorities {
  readonly audit: AuditStore;
  readonly operations: MassOperationStore;
  readonly orders: Pick<OrderStore, 'getOrder' | 'listOrders' | 'closeOrder'> &
    Pick<AllowListStore, 'lookUp' | 'importAllowList'>;
  readonly batches: Pick<BatchStore, 'getBatch' | 'listBatches' | 'getRegistration'>;
  readonly certificates: Pick<
    CertificateStore,
    'getSegment' | 'findChunk' | 'getStatus' | 'listStatuses' | 'placesOf' | 'claimsOf'
  >;
  /** Of an issuer's CRL; undefined where the issuer is not known. */
  readonly crlShardsOf: (issuer: string) => number | undefined;
  /** For what a reissue opens and uploads. */
  readonly opening: OrderPorts;
  readonly ingest: IngestPorts;
  readonly profiles: Pick<ProfileCatalogue, 'get'>;
}

/** With the queue that has them run. */
export interface MassCallPorts extends MassPorts {
  /** Absent where this installation has no queue: CONFLICT. */
  readonly jobs?: Pick<JobQueue, 'add'>;
  /** Aborts when the process stops: who waits for somebody else waits no more, FAULT_STOPPING. */
  readonly stopping?: AbortSignal;
}
