import type { ClaimObstacle } from './claims.js';

/** For people. Names the request's own device only: nothing is told of others (DESIGN 3.5). */
export function obstacleDetail(obstacle: ClaimObstacle, deviceId: string): string {
  const device = deviceId === '' ? 'this device' : `device ${deviceId}`;
  if (obstacle.kind === 'key-compromised') return `the key of ${device} was revoked as compromised`;
  return obstacle.kind === 'key-of-another-device'
    ? `the key of ${device} is bound to another device`
    : `${device} is claimed by another request`;
}
