import {
  hasExpired,
  isOnHold,
  type FrozenBatch,
  type OutcomeReason,
  type OutcomeRun,
  type ReissueWork,
} from '@certmill/domain';
import { readStatuses } from '../revoke/read-statuses.js';
import { authorizationTest, type AuthorizationPorts } from './authorized-devices.js';
import type { MassPorts } from './mass-ports.js';
import type { StoredCertificate } from './stored-certificate.js';

type OutcomePorts = AuthorizationPorts & Pick<MassPorts, 'certificates'>;

/**
 * What becomes of certificates whose devices are to have another one, aligned. A device that is known by its
 * key alone cannot renew: with another key it is another device.
 */
export async function renewalOutcomes(
  ports: OutcomePorts,
  { kind }: ReissueWork,
  { orderId }: FrozenBatch,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<readonly Omit<OutcomeRun, 'count'>[]> {
  const [first] = certificates;
  if (first === undefined) return [];
  const { tenant } = first;
  const statuses = await readStatuses(ports, certificates);
  const keepsKey = kind === 'reissue';
  const isAuthorized = await authorizationTest(ports, tenant, orderId, certificates, keepsKey);
  return certificates.map(({ index, deviceId, notAfterMs }, i) => {
    const skipped = (reason: OutcomeReason) => ({ index, outcome: 'skipped', reason }) as const;
    const status = statuses[i] ?? { state: 'good' };
    if (isOnHold(status)) return skipped('CERTIFICATE_ON_HOLD');
    if (status.state === 'revoked') return skipped('CERTIFICATE_REVOKED');
    if (hasExpired(notAfterMs, nowMs)) return skipped('CERTIFICATE_ENDED');
    if (kind === 'renew' && deviceId === '') return skipped('DEVICE_UNNAMED');
    if (!isAuthorized(i)) return { index, outcome: 'refused', reason: 'DEVICE_NOT_AUTHORIZED' };
    return { index, outcome: 'submitted' };
  });
}
