import type { ClaimObstacle } from './claims.js';

/**
 * For people. Names the request's own device only: nothing is told of others (DESIGN 3.5).
 * @param notAfterMs when the certificate ends that the device holds, where it holds one.
 */
export function obstacleDetail(
  obstacle: ClaimObstacle,
  deviceId: string,
  notAfterMs?: number,
): string {
  const device = deviceId === '' ? 'this device' : `device ${deviceId}`;
  if (obstacle.kind === 'key-compromised') return `the key of ${device} was revoked as compromised`;
  if (obstacle.kind === 'key-of-another-device') {
    return `the key of ${device} is bound to another device`;
  }
  if (notAfterMs === undefined) return `${device} is claimed by another request`;
  return `${device} has a certificate until ${instantOf(notAfterMs)}`;
}

/** Certificates tell whole seconds. */
function instantOf(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
