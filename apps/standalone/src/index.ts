export { standaloneSchema, type StandaloneConfig } from './config.js';
export {
  openIssuance,
  type Issuance,
  type IssuanceCpu,
  type IssuanceOverrides,
} from './open-issuance.js';
export { readServeConfig, serve, serveSchema, type ServeConfig, type Server } from './serve.js';
