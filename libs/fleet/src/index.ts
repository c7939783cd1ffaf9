export { fleetSchema, type FleetConfig } from './config/fleet-config.js';
export { rotationSteps, type RotationStep } from './keys/hop-key-file.js';
export { hopsOf } from './keys/hops-of.js';
export { makeFleetKeys, rotateFleetKeys, type FleetKeyFiles } from './keys/make-fleet-keys.js';
export {
  openDeadLetterRecords,
  type DeadLetterList,
  type DeadLetterRecord,
  type DeadLetterRecords,
  type RecordOwner,
  type RetryOutcome,
} from './dead-letter-records.js';
export { checkRole } from './check-role.js';
export { fleetLag } from './fleet-lag.js';
export { assertKeyUnused, reconcileFleet } from './reconcile/reconcile-fleet.js';
export type { StrandedChunk } from './reconcile/mark-stranded.js';
export { initFleet, type InitReport } from './init-fleet.js';
export { restoreFleet, type RestoreReport } from './restore-fleet.js';
export { runService, type RunOptions, type Service } from './run-service.js';
export { roles, type Role, type ServiceOverrides } from './service-context.js';
export { readFleetConfig, superviseService } from './supervise.js';
export { openFleetForReading, verifyFleet, type OpenedFleet } from './verify-fleet.js';
export {
  migrateStore,
  type MigrationOptions,
  type MigrationReport,
} from './migrate/migrate-store.js';
export type { MigrationSource } from './migrate/migration-source.js';
export { clusterSpec, readers, topicReaders } from './topics.js';
