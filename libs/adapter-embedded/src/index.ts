export { nodeDisk, type Disk, type DiskFile } from './disk.js';
export {
  openEventLog,
  type EmbeddedEventLog,
  type EventLogOptions,
} from './event-log/open-event-log.js';
export {
  holdsRecords,
  readLog,
  type FoundRecord,
  type ReadLogOptions,
} from './event-log/read-log.js';
export { OcspFile } from './ocsp/ocsp-file.js';
export { openOcspFileReader, type OcspFileReader } from './ocsp/ocsp-file-reader.js';
export {
  EmbeddedStore,
  openEmbeddedStore,
  type EmbeddedStoreOptions,
} from './store/embedded-store.js';
export { restoreEmbeddedStore } from './store/back-up.js';
export type {
  ChunkPlace,
  ReadBatch,
  ReadChunk,
  ReadDecision,
  ReadRevocation,
  ReadStatus,
  RevocationPlace,
  StoreSurvey,
  SurveyedCount,
} from './store/read-out.js';
export type { StoreReadOut } from './store/store-read-out.js';
export { readRunningCrls, type RunningCrls } from './store/running-crls.js';
export type { StoreDisk } from './store/store-disk.js';
export { holdsStore, viewEmbeddedStore, type StoreView } from './store/view-embedded-store.js';
