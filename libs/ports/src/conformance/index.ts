export {
  describeApprovals,
  describeAudit,
  describeCrls,
  describeJobQueue,
  describeMassOperations,
  describeRevocations,
  describeStores,
  storeCases,
  type JobQueueUnderTest,
  type StoresUnderTest,
} from './describe-stores.js';
export { aChange, type RevocationStores } from './revocation-cases.js';
export { withBroken, type StoreCase } from './store-case.js';
export {
  aBatch,
  aChunk,
  anOrder,
  decideAlone,
  type ChunkUnderTest,
  type Stores,
} from './stores-fixture.js';
export {
  describeEventLog,
  eventLogCases,
  type DescribeEventLogOptions,
  type EventLogCase,
  type EventLogFixture,
} from './event-log.conformance.js';
export { aMassOperation } from './mass-operation-fixture.js';
export { ocspCases, type OcspStoreCase } from './ocsp-cases.js';
