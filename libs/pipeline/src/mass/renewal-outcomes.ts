import {
  hasExpired,
  isOnHold,
  type FrozenBatch,
  type OutcomeReason,
  type OutcomeRun,
  type ReissueWork,
} from '@certmill/domain';
import type { CertificatePlace } from '@certmill/ports';
import { readStatuses } from '../revoke/read-statuses.js';
import { authorizationTest, type AuthorizationPorts } from './authorized-devices.js';
import {
  holdingTest,
  profileNameOf,
  replacementTest,
  type ReplacementPorts,
} from './replacement-test.js';
import type { StoredCertificate } from './stored-certificate.js';

type OutcomePorts = AuthorizationPorts & ReplacementPorts;

export interface RenewalOutcome extends Omit<OutcomeRun, 'count'> {
  /** Of one that is submitted: it takes over the claim of this certificate, not of that which it stands for. */
  readonly displaced?: CertificatePlace;
}

/**
 * What becomes of certificates whose devices are to have another one, aligned: those that were replaced are
 * passed over, for their keys are in use no more. A reissue under another profile takes the place of nothing
 * that a device holds of it. A device that is known by its key alone cannot renew: with another key it is
 * another device. CERTIFICATE_ON_HOLD is told of the newest that stands alone: of one at most of a device and profile.
 */
export async function renewalOutcomes(
  ports: OutcomePorts,
  { kind, profileName }: ReissueWork,
  { orderId }: FrozenBatch,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<readonly RenewalOutcome[]> {
  const [first] = certificates;
  if (first === undefined) return [];
  const { tenant } = first;
  const statuses = await readStatuses(ports, certificates);
  const keepsKey = kind === 'reissue';
  const rivalsOf = await replacementTest(ports, tenant, orderId, certificates, nowMs);
  const isOther = keepsKey && profileName !== (await profileNameOf(ports, tenant, orderId));
  const heldOf = isOther
    ? await holdingTest(ports, tenant, profileName, certificates, nowMs)
    : undefined;
  const isAuthorized = await authorizationTest(ports, tenant, orderId, certificates, keepsKey);
  return certificates.map(({ index, deviceId, notAfterMs }, i) => {
    const skipped = (reason: OutcomeReason) => ({ index, outcome: 'skipped', reason }) as const;
    const status = statuses[i] ?? { state: 'good' };
    const isHeld = isOnHold(status);
    if (status.state === 'revoked' && !isHeld) return skipped('CERTIFICATE_REVOKED');
    if (hasExpired(notAfterMs, nowMs)) return skipped('CERTIFICATE_ENDED');
    const rivals = rivalsOf(i);
    if (rivals.stand === 'good') return skipped('CERTIFICATE_REPLACED');
    if (rivals.stand !== undefined) return skipped('REPLACEMENT_NOT_GOOD');
    if (isHeld) return skipped('CERTIFICATE_ON_HOLD');
    const { stand: hasOther, displaced } = heldOf?.(i) ?? rivals;
    if (hasOther !== undefined) return skipped('DEVICE_ALREADY_ISSUED');
    if (kind === 'renew' && deviceId === '') return skipped('DEVICE_UNNAMED');
    if (!isAuthorized(i)) return { index, outcome: 'refused', reason: 'DEVICE_NOT_AUTHORIZED' };
    return { index, outcome: 'submitted', ...(displaced === undefined ? {} : { displaced }) };
  });
}
