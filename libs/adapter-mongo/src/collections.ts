import type { Db } from 'mongodb';
import type { CredentialDocument, ProfileDocument, TenantDocument } from './accounts/accounts.js';
import type { OrderDocument } from './accounts/orders.js';
import type { ApprovalDocument } from './used-approvals.js';
import type { AllowListBlob } from './allow-lists/allow-list-blobs.js';
import type { AuditDocument } from './audit-trail.js';
import type { BatchDocument } from './batches/batch-document.js';
import type { BucketDocument } from './batches/bucket-document.js';
import type {
  OcspResponderDocument,
  OcspResponsesDocument,
} from './certificates/ocsp-documents.js';
import type { SegmentDocument } from './certificates/segments.js';
import type { StatusDocument } from './certificates/statuses.js';
import type { CrlDocument, CrlPiece } from './crls/crls.js';
import type { DriverCalls } from './connection/driver-calls.js';
import type { BlockDocument, LogDocument, ScopeDocument } from './revocations/scope-documents.js';
import type {
  FrozenPageDocument,
  MassOperationDocument,
  OutcomeDocument,
} from './mass-operations.js';
import { Documents, type Stored } from './connection/documents.js';
import type { BlobDocument, EntryDocument, StateDocument } from './journal-collections.js';
import type { IssuanceTimeDocument, MetaDocument } from './meta.js';

/**
 * The collections of a store. Each is keyed by `_id` alone, which begins with the tenant wherever the
 * object is one tenant's (a credential is found by the hash of its key, a journal by its shard, used
 * approvals by their operation); on a
 * sharded cluster by its hash, since only a shard key is unique there.
 */
export const collectionNames = {
  meta: 'meta',
  issuanceTime: 'issuanceTime',
  tenants: 'tenants',
  credentials: 'credentials',
  profiles: 'profiles',
  orders: 'orders',
  batches: 'batches',
  buckets: 'buckets',
  segments: 'segments',
  statuses: 'statuses',
  crlScopes: 'crlScopes',
  crlLogs: 'crlLogs',
  crlBlocks: 'crlBlocks',
  audit: 'audit',
  crls: 'crls',
  crlPieces: 'crlPieces',
  ocspResponses: 'ocspResponses',
  ocspResponders: 'ocspResponders',
  massOperations: 'massOperations',
  frozenPages: 'frozenPages',
  massOutcomes: 'massOutcomes',
  approvals: 'approvals',
  allowLists: 'allowLists',
  journal: 'journal',
  journalBlobs: 'journalBlobs',
  journalStates: 'journalStates',
} as const;

export type CollectionName = keyof typeof collectionNames;

/** For listings that no range of `_id` gives; none is unique. */
export const indexes: Readonly<
  Partial<Record<CollectionName, readonly Readonly<Record<string, 1 | -1>>[]>>
> = {
  credentials: [{ tenant: 1 }],
  orders: [{ tenant: 1, listedAs: -1 }],
  massOperations: [
    { tenant: 1, listedAs: -1 },
    { 'operation.state': 1, listedAs: -1 },
  ],
  frozenPages: [{ tenant: 1, unnamedSinceMs: 1 }],
  massOutcomes: [{ pendingOf: 1, _id: 1 }],
  batches: [{ tenant: 1, orderId: 1, listedAs: -1 }],
  ocspResponses: [{ nextUpdateMs: 1 }],
};

export interface Collections {
  readonly meta: Documents<MetaDocument>;
  readonly issuanceTime: Documents<IssuanceTimeDocument>;
  readonly tenants: Documents<TenantDocument>;
  readonly credentials: Documents<CredentialDocument>;
  readonly profiles: Documents<ProfileDocument>;
  readonly orders: Documents<OrderDocument>;
  readonly batches: Documents<BatchDocument>;
  readonly buckets: Documents<BucketDocument>;
  readonly segments: Documents<SegmentDocument>;
  readonly statuses: Documents<StatusDocument>;
  readonly crlScopes: Documents<ScopeDocument>;
  readonly crlLogs: Documents<LogDocument>;
  readonly crlBlocks: Documents<BlockDocument>;
  readonly audit: Documents<AuditDocument>;
  readonly crls: Documents<CrlDocument>;
  readonly crlPieces: Documents<CrlPiece>;
  readonly ocspResponses: Documents<OcspResponsesDocument>;
  readonly ocspResponders: Documents<OcspResponderDocument>;
  readonly massOperations: Documents<MassOperationDocument>;
  readonly frozenPages: Documents<FrozenPageDocument>;
  readonly massOutcomes: Documents<OutcomeDocument>;
  readonly approvals: Documents<ApprovalDocument>;
  readonly allowLists: Documents<AllowListBlob>;
  readonly journal: Documents<EntryDocument>;
  readonly journalBlobs: Documents<BlobDocument>;
  readonly journalStates: Documents<StateDocument>;
}

/** @param database Asked for each call: a connection may be made anew. */
export function collectionsOf(database: () => Db, calls: DriverCalls): Collections {
  const of = <D extends Stored>(name: CollectionName): Documents<D> =>
    new Documents<D>(database, collectionNames[name], calls);
  return {
    meta: of('meta'),
    issuanceTime: of('issuanceTime'),
    tenants: of('tenants'),
    credentials: of('credentials'),
    profiles: of('profiles'),
    orders: of('orders'),
    batches: of('batches'),
    buckets: of('buckets'),
    segments: of('segments'),
    statuses: of('statuses'),
    crlScopes: of('crlScopes'),
    crlLogs: of('crlLogs'),
    crlBlocks: of('crlBlocks'),
    audit: of('audit'),
    crls: of('crls'),
    crlPieces: of('crlPieces'),
    ocspResponses: of('ocspResponses'),
    ocspResponders: of('ocspResponders'),
    massOperations: of('massOperations'),
    frozenPages: of('frozenPages'),
    massOutcomes: of('massOutcomes'),
    approvals: of('approvals'),
    allowLists: of('allowLists'),
    journal: of('journal'),
    journalBlobs: of('journalBlobs'),
    journalStates: of('journalStates'),
  };
}
