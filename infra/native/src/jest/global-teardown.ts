// Jest asks for a default export.
export { stopFleetServers as default } from './fleet-servers.js';
