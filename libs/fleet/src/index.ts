export { fleetSchema, type FleetConfig } from './config/fleet-config.js';
export { rotationSteps, type RotationStep } from './keys/hop-key-file.js';
export { makeFleetKeys, rotateFleetKeys, type FleetKeyFiles } from './keys/make-fleet-keys.js';
export { fleetLag, type StageLag } from './fleet-lag.js';
export { initFleet, type InitReport } from './init-fleet.js';
export { runService, type RunOptions, type Service } from './run-service.js';
export { roles, type Role, type ServiceOverrides } from './service-context.js';
export { readFleetConfig, superviseService } from './supervise.js';
export { maxRecordBytes, readers, topicSpecs, type TopicSpec } from './topics.js';
