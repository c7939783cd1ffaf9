// Jest asks for a default export.
export { startFleetServers as default } from './fleet-servers.js';
