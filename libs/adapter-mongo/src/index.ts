export { checkCollections, initCollections } from './init-collections.js';
export { openMongoStore, type MongoStoreOptions } from './open-mongo-store.js';
export type { AroundCall } from './connection/driver-calls.js';
export type { MongoConnectionOptions } from './connection/open-client.js';
export type { JournalObserver } from './journal/claim-journal.js';
export type { MongoStore } from './mongo-store.js';
export { openStoreImport, type StoreImport } from './import/store-import.js';
export { beginStoreRestore } from './import/restored-store.js';
export type { ImportedDecision, JournalImport } from './import/journal-import.js';
