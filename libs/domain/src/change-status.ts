import type { RevocationReason } from './certificate-status.js';

/**
 * Status of one issued certificate, kept apart from its immutable segment. A certificate on hold is
 * revoked with the reason certificateHold (RFC 5280 5.3.1).
 */
export type CertificateStatus =
  | {
      readonly state: 'good';
      /** It was on hold until then. */
      readonly releasedAtMs?: number;
    }
  | {
      readonly state: 'revoked';
      readonly reason: RevocationReason;
      /** Of a hold too, also when it became a revocation for good; of the first reason where the key was lost later. */
      readonly atMs: number;
      /** When the key is known to have been lost (RFC 5280 5.3.2). */
      readonly invalidityDateMs?: number;
    };

/** `release` ends a certificateHold; nothing else can be taken back. */
export type CertificateChange =
  | {
      readonly kind: 'revoke';
      readonly reason: RevocationReason;
      readonly revokedAtMs: number;
      readonly invalidityDateMs?: number;
    }
  | { readonly kind: 'release'; readonly releasedAtMs: number };

/**
 * `unchanged`: it is so already (of two revocations the first one's time stays). `refused`: a
 * certificate that is revoked for good gets no other reason but keyCompromise, which may be found out later
 * and says more than any other; and one that is not held cannot be released. A held one may be revoked for good.
 */
export type StatusOutcome = 'changed' | 'unchanged' | 'refused';

/** Why a change is refused, whatever the certificate. */
export function statusRefusalOf({ kind }: Pick<CertificateChange, 'kind'>): string {
  return kind === 'release'
    ? 'the certificate is not on hold'
    : 'the certificate is revoked for good, for another reason';
}

/** What a change makes of a status: the status itself where it is no change. */
export function changedStatus(
  status: CertificateStatus,
  change: CertificateChange,
): { readonly outcome: StatusOutcome; readonly status: CertificateStatus } {
  const stays = (outcome: StatusOutcome) => ({ outcome, status });
  if (change.kind === 'release') {
    if (status.state === 'good') {
      return stays(status.releasedAtMs === undefined ? 'refused' : 'unchanged');
    }
    if (!isOnHold(status)) return stays('refused');
    return { outcome: 'changed', status: { state: 'good', releasedAtMs: change.releasedAtMs } };
  }
  if (status.state === 'revoked') {
    if (status.reason === change.reason) return stays('unchanged');
    if (!isOnHold(status) && change.reason !== 'keyCompromise') return stays('refused');
  }
  const { reason, revokedAtMs } = change;
  const before = status.state === 'revoked' ? status : undefined;
  const invalidityDateMs = change.invalidityDateMs ?? before?.invalidityDateMs;
  return {
    outcome: 'changed',
    status: {
      state: 'revoked',
      reason,
      // X.509 8.5.2.2: a hold that becomes a revocation keeps its date. Nor was one for good any later.
      atMs: before?.atMs ?? revokedAtMs,
      ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
    },
  };
}

export function isOnHold(status: CertificateStatus): boolean {
  return status.state === 'revoked' && status.reason === 'certificateHold';
}

/** Whether others may know its key: nobody may have another certificate for it. */
export function isKeyCompromised(status: CertificateStatus): boolean {
  return status.state === 'revoked' && status.reason === 'keyCompromise';
}

/** Whether its device may have another certificate: one on hold may come back. */
export function isRevokedForGood(status: CertificateStatus): boolean {
  return status.state === 'revoked' && !isOnHold(status);
}
