export { AllowList } from './allow-list/allow-list.js';
export { buildAllowList, defaultMaxDevices } from './allow-list/build-allow-list.js';
export { OpenAllowLists } from './allow-list/open-allow-lists.js';
export { Claims, type ClaimMap, type ClaimObstacle, type RequestIndex } from './claims/claims.js';
export { locatorHigh, locatorLow, locatorOf, type Locator } from './claims/locator.js';
export { obstacleDetail } from './claims/obstacle-detail.js';
export {
  deviceKeyAt,
  RequestKeys,
  requestKeysBytes,
  udidBytes,
  udidIdAt,
  udidKeyAt,
  type ClaimScope,
} from './claims/request-keys.js';
export { diskFault, systemCodeOf } from './packed-runs/disk-fault.js';
export { keyBytes, type PackedValue } from './packed-runs/entry.js';
export { PackedMap } from './packed-runs/packed-map.js';
export { PackedMultiMap } from './packed-runs/packed-multi-map.js';
export { PageCache } from './packed-runs/page-cache.js';
export { startRunWriter, type RunWriter } from './packed-runs/run-writer.js';
export { SpareMemtables } from './packed-runs/spare-memtables.js';
export type {
  PackedRunsOptions,
  PackedRunsStats,
  RunChange,
  SortedRuns,
} from './packed-runs/sorted-runs.js';
