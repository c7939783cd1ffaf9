// What works in a data folder without its server; apart, for the server brings much along.
export {
  backUpDataFolder,
  backUpStoppedFolder,
  holdsPassphrase,
  restoreDataFolder,
  type BackedUp,
} from './back-up.js';
export { askRunningServer, type ControlRequest } from './control-socket.js';
export { takeDataFolder, type DataFolder } from './data-folder.js';
export { noteInFolder } from './note-in-folder.js';
export { openCrls, type OpenedCrls } from './open-crls.js';
export { openFolderToMigrate, type FolderToMigrate } from './open-folder-to-migrate.js';
export { openFolderToRevoke, type FolderToRevoke } from './open-folder-to-revoke.js';
export { openStoreForReading, type OpenedStore } from './open-store-for-reading.js';
export type { SyncDisk } from './sync-tree.js';
export { verifyFolder, type VerifiedFolder } from './verify-folder.js';
