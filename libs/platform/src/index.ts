export { apiKeyHash, newApiKey } from './auth/api-keys.js';
export { permissionsOf, type Permission } from './auth/roles.js';
export { startHttp, type HttpApplication, type HttpParts } from './http/application.js';
export { httpConfigSchema, type HttpConfig } from './http/http-config.js';
export type { IssuanceServices } from './http/services.js';
export { createLogger } from './observability/logger.js';
export { Metrics, type Stage } from './observability/metrics.js';
export { problemTypeOf, rejectionProblem, toProblem, type Problem } from './problem/to-problem.js';
export { faultStatus, wireStatus, type WireStatus } from './problem/wire-status.js';
