export { standaloneSchema, type StandaloneConfig } from './config.js';
export { takeDataFolder, type DataFolder } from './data-folder.js';
export { observeStages } from './observe-stages.js';
export { openIssuance, type Issuance, type IssuanceCpu, type IssuanceOverrides } from './open-issuance.js';
export {
  firstTenant,
  readServeConfig,
  serve,
  serveSchema,
  type ServeConfig,
  type Server,
} from './serve.js';
