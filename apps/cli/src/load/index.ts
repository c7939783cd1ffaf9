export { makeDevices, type DeviceFiles } from './make-devices.js';
export { measureLimit, type MachineLimit } from './machine-limit.js';
