export {
  EmbeddedStore,
  openEmbeddedStore,
  type EmbeddedStoreOptions,
} from './store/embedded-store.js';
export { restoreEmbeddedStore } from './store/back-up.js';
export type { StoreDisk } from './store/store-disk.js';
