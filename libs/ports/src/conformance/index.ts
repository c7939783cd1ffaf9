export { describeStores, storeCases, type StoresUnderTest } from './describe-stores.js';
export { withBroken, type StoreCase } from './store-case.js';
export type { Stores } from './stores-fixture.js';
export {
  describeEventLog,
  eventLogCases,
  type EventLogCase,
  type EventLogFixture,
} from './event-log.conformance.js';
