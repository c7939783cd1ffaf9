import { runsOf, type MassWork, type OutcomeRun } from '@certmill/domain';
import { applyChange, type ChangedItem } from '../revoke/apply-changes.js';
import type { Selected } from '../revoke/select-certificates.js';
import { readStatuses } from '../revoke/read-statuses.js';
import type { MassPorts } from './mass-ports.js';
import type { MassStep } from './mass-step.js';
import type { StoredCertificate } from './stored-certificate.js';

type RevokeWork = Extract<MassWork, { kind: 'revoke' }>;

/** Revokes the certificates of a chunk, with the time at which the step was begun. */
export async function revokeChunk(
  ports: MassPorts,
  { chunk, begunAtMs, isRepeated }: MassStep,
  work: RevokeWork,
): Promise<readonly OutcomeRun[]> {
  const items: ChangedItem[] = [];
  await applyChange(
    ports,
    selectedOf(chunk.certificates),
    {
      kind: 'revoke',
      reason: work.reason,
      revokedAtMs: begunAtMs,
      ...(work.invalidityDateMs === undefined ? {} : { invalidityDateMs: work.invalidityDateMs }),
    },
    {
      onItems(some) {
        items.push(...some);
      },
    },
  );
  const own = isRepeated ? await revokedAt(ports, items, begunAtMs) : new Set();
  return runsOfItems(items, own);
}

/** @param own Indexes of those that are unchanged by this very step. */
export function runsOfItems(
  items: readonly ChangedItem[],
  own: ReadonlySet<unknown> = new Set(),
): readonly OutcomeRun[] {
  const outcomes = items.flatMap((item): Omit<OutcomeRun, 'count'>[] => {
    if (item.outcome === 'not-found') return [];
    const { outcome, certificate } = item;
    const { index } = certificate;
    if (outcome === 'refused') return [{ index, outcome, reason: 'CERTIFICATE_REVOKED' }];
    return [{ index, outcome: own.has(index) ? 'changed' : outcome }];
  });
  return runsOf(outcomes);
}

/** What this very step had revoked before its process was killed. */
async function revokedAt(
  ports: Pick<MassPorts, 'certificates'>,
  items: readonly ChangedItem[],
  atMs: number,
): Promise<ReadonlySet<number>> {
  const unchanged = items.flatMap((item) =>
    item.outcome === 'unchanged' ? [item.certificate] : [],
  );
  const statuses = await readStatuses(ports, unchanged);
  const own = unchanged.filter((_, i) => {
    const status = statuses[i];
    return status?.state === 'revoked' && status.atMs === atMs;
  });
  return new Set(own.map(({ index }) => index));
}

// eslint-disable-next-line @typescript-eslint/require-await -- what applyChange reads is a stream
export async function* selectedOf(
  certificates: readonly StoredCertificate[],
): AsyncGenerator<Selected> {
  for (const certificate of certificates) yield { certificate };
}
