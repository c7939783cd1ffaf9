export { findGnuTls } from './gnutls/find-gnutls.js';
export { NssDatabase, type NssUsage } from './nss/nss-database.js';
export {
  statusByBouncyCastle,
  verifyByBouncyCastle,
  type StatusQuestion,
} from './bouncy-castle/bouncy-castle.js';
export { FleetService, type FleetRole } from './fleet/fleet-service.js';
export { defaultPlan, LocalFleet, type LocalFleetOptions } from './fleet/local-fleet.js';
export { type ServicePlan } from './fleet/service-maker.js';
export { type FleetSlot } from './fleet/tokens-with-key.js';
export { cacheFolder } from './cache/cache-folder.js';
export { ensureTool, type ToolName } from './install/ensure-tool.js';
export { KafkaCluster, type KafkaClusterOptions } from './kafka/kafka-cluster.js';
export { type BrokerSettings } from './kafka/broker-settings.js';
export { type SecureListener } from './kafka/secure-listener.js';
export { MongoStandIn, type MongoStandInOptions } from './mongo/mongo-stand-in.js';
export { Pkcs11Faults, type Pkcs11Fault } from './pkcs11-faults/pkcs11-faults.js';
export { RedisServer, type RedisServerOptions } from './redis/redis-server.js';
export { SoftHsm, type ImportOptions, type Token, type TokenOptions } from './soft-hsm/soft-hsm.js';
export { makeRunFolder } from './process/run-folder.js';
export { freePorts } from './process/free-ports.js';
export { onStopSignals } from './process/stop-signals.js';
export { resolveServers, type ResolveOptions } from './resolve/resolve-servers.js';
export { type ResolvedServers } from './resolve/resolve-parts.js';
export { type ServerNeed, type ServerOrigin } from './resolve/server-source.js';
