import { parentPort, workerData } from 'node:worker_threads';
import { simulateDevice } from './device-request.js';
import type { DeviceRange, DeviceLines } from './make-devices.js';

/** Devices per message: big enough to cost nothing, small enough for a smooth progress bar. */
const perMessage = 250;

const { prefix, first, count } = workerData as DeviceRange;
for (let done = 0; done < count; done += perMessage) {
  const devices = Array.from({ length: Math.min(perMessage, count - done) }, (_, i) =>
    simulateDevice(`${prefix}${String(first + done + i).padStart(9, '0')}`),
  );
  const lines: DeviceLines = {
    count: devices.length,
    requests: devices
      .map(
        ({ deviceId, csrDer }) =>
          `{"deviceId":"${deviceId}","csr":"${Buffer.from(csrDer).toString('base64')}"}\n`,
      )
      .join(''),
    allowList: devices.map(({ deviceId, udid }) => `${deviceId},${udid},${deviceId}\n`).join(''),
  };
  parentPort?.postMessage(lines);
}
