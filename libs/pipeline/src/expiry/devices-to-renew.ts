import { livesLongEnough, type TenantId } from '@certmill/domain';
import { certificatesToRenew, type ToRenewPorts } from './certificates-to-renew.js';

/** Certificates of one profile and issuer that end in the same month and that their devices are to renew. */
export interface RowToRenew {
  /** `2027-03`, in UTC. */
  readonly month: string;
  readonly profile: string;
  readonly issuer: string;
  readonly certificates: number;
  /** The first end, Unix milliseconds. */
  readonly firstEndMs: number;
}

export interface DevicesToRenew {
  /** The next to end first. */
  readonly rows: readonly RowToRenew[];
  /** False where the look took too long: there may be more than was counted. */
  readonly isWhole: boolean;
}

const dayMs = 86_400_000;
/** What stands between a client and its server often gives a call up that is silent for 60 s. */
const longestLookMs = 45_000;

/**
 * What devices of a tenant are to renew within so many days, as `certificatesToRenew` has it, but for certificates that
 * live for less than twice as long. Once `signal` aborts its reason is thrown.
 */
export async function devicesToRenew(
  ports: ToRenewPorts,
  tenant: TenantId,
  days: number,
  signal?: AbortSignal,
  longestMs = longestLookMs,
): Promise<DevicesToRenew> {
  const rows = new Map<string, RowToRenew>();
  const nowMs = ports.clock.nowMs();
  const begunMs = performance.now();
  let isWhole = true;
  const chunks = certificatesToRenew(ports, tenant, {
    nowMs,
    untilMsOf: (lifeMs) => (livesLongEnough(lifeMs, days) ? nowMs + days * dayMs : undefined),
    turn() {
      signal?.throwIfAborted();
      isWhole = performance.now() - begunMs <= longestMs;
      return Promise.resolve(isWhole);
    },
  });
  for await (const { order, endsMs } of chunks) {
    const { profileName: profile, issuer } = order;
    for (const endMs of endsMs) {
      const month = new Date(endMs).toISOString().slice(0, 7);
      const key = `${month} ${profile} ${issuer}`;
      const { certificates, firstEndMs } = rows.get(key) ?? { certificates: 0, firstEndMs: endMs };
      const row = { certificates: certificates + 1, firstEndMs: Math.min(firstEndMs, endMs) };
      rows.set(key, { month, profile, issuer, ...row });
    }
  }
  const sorted = [...rows.values()].sort((left, right) => left.firstEndMs - right.firstEndMs);
  return { rows: sorted, isWhole };
}
