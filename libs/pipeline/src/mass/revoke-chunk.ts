import type { MassCounts, MassWork } from '@certmill/domain';
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
): Promise<Partial<MassCounts>> {
  const unchanged: ChangedItem[] = [];
  const counts = await applyChange(
    ports,
    selectedOf(chunk.certificates),
    {
      kind: 'revoke',
      reason: work.reason,
      revokedAtMs: begunAtMs,
      ...(work.invalidityDateMs === undefined ? {} : { invalidityDateMs: work.invalidityDateMs }),
    },
    {
      onItems(items) {
        unchanged.push(...items.filter(({ outcome }) => outcome === 'unchanged'));
      },
    },
  );
  const own = isRepeated ? await countRevokedAt(ports, unchanged, begunAtMs) : 0;
  return {
    changed: counts.changed + own,
    unchanged: counts.unchanged - own,
    refused: counts.refused,
  };
}

/** What this very step had revoked before its process was killed. */
async function countRevokedAt(
  ports: Pick<MassPorts, 'certificates'>,
  items: readonly ChangedItem[],
  atMs: number,
): Promise<number> {
  const statuses = await readStatuses(
    ports,
    items.flatMap((item) => (item.outcome === 'not-found' ? [] : item.certificate)),
  );
  return statuses.filter((status) => status.state === 'revoked' && status.atMs === atMs).length;
}

// eslint-disable-next-line @typescript-eslint/require-await -- what applyChange reads is a stream
export async function* selectedOf(
  certificates: readonly StoredCertificate[],
): AsyncGenerator<Selected> {
  for (const certificate of certificates) yield { certificate };
}
