import type { CrlReason } from '@certmill/domain';

interface Source {
  readonly source: 'crl' | 'ocsp' | 'record';
  /** Which of the lists, responses or records that were given, from 0 on. */
  readonly index: number;
}

interface Times {
  /** NaN for a record, which is of no time of its own. */
  readonly thisUpdateSeconds: number;
  /** NaN where the source does not say. */
  readonly nextUpdateSeconds: number;
}

/** What a CRL or a response says of one certificate at one time. */
export type StatusFinding = Source &
  (
    | ({ readonly state: 'good' | 'unknown' } & Times)
    | ({
        readonly state: 'revoked';
        readonly atSeconds: number;
        readonly reason: CrlReason | undefined;
      } & Times)
    /** It is about the certificate, or would be, and cannot be relied on. */
    | { readonly state: 'unusable'; readonly detail: string }
  );

/** What follows from all of them: `untold` where no source that can be relied on says anything. */
export type Status =
  Exclude<StatusFinding, { readonly state: 'unusable' }> | { readonly state: 'untold' };

/**
 * Nobody comes back from any revocation but a hold (RFC 5280 5.3.1); else the latest source is right, and a
 * record, which is of now.
 */
export function statusOf(findings: readonly StatusFinding[]): Status {
  const usable = findings.filter((finding) => finding.state !== 'unusable');
  const revoked = usable.find((finding) => isForGood(finding));
  if (revoked !== undefined) return revoked;
  const [latest] = usable.sort((left, right) => right.thisUpdateSeconds - left.thisUpdateSeconds);
  return usable.find(({ source }) => source === 'record') ?? latest ?? { state: 'untold' };
}

/** Whether it tells of a revocation that nobody comes back from. */
export function isForGood(finding: StatusFinding): boolean {
  return finding.state === 'revoked' && finding.reason !== 'certificateHold';
}
