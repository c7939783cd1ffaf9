export {
  backUpDataFolder,
  backUpStoppedFolder,
  holdsPassphrase,
  restoreDataFolder,
  type BackedUp,
} from './back-up.js';
export type { SyncDisk } from './sync-tree.js';
export { askRunningServer, type ControlRequest } from './control-socket.js';
export { standaloneSchema, type StandaloneConfig } from './config.js';
export { takeDataFolder, type DataFolder } from './data-folder.js';
export {
  openIssuance,
  type Issuance,
  type IssuanceCpu,
  type IssuanceOverrides,
} from './open-issuance.js';
export { readServeConfig, serve, serveSchema, type ServeConfig, type Server } from './serve.js';
export { openFolderToMigrate, type FolderToMigrate } from './open-folder-to-migrate.js';
export { noteInFolder } from './note-in-folder.js';
export { openFolderToRevoke, type FolderToRevoke } from './open-folder-to-revoke.js';
export { openCrls, type OpenedCrls } from './open-crls.js';
export { openStoreForReading, type OpenedStore } from './open-store-for-reading.js';
export { verifyFolder, type VerifiedFolder } from './verify-folder.js';
