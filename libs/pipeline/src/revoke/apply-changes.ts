import {
  changedStatus,
  chunkIdOf,
  type CertificateChange,
  type ChunkRef,
  type StatusOutcome,
} from '@certmill/domain';
import type { CertificateStore, RevocationStore } from '@certmill/ports';
import type { IssuedCertificate } from './read-certificates.js';
import type { Selected } from './select-certificates.js';

export interface ChangePorts {
  readonly revocations: Pick<RevocationStore, 'changeStatuses'>;
  readonly certificates: Pick<CertificateStore, 'getStatus'>;
  /**
   * Told of chunks in which a status is changed for good: what was signed of them ahead is to be signed
   * anew. Told of those that are unchanged too, for who changed them may have died before telling.
   */
  readonly onChanged?: (chunks: readonly ChunkRef[]) => Promise<void>;
}

/** What became of one certificate, or of a name under which there is none. */
export type ChangedItem =
  | { readonly certificate: IssuedCertificate; readonly outcome: StatusOutcome }
  | { readonly notFound: string; readonly outcome: 'not-found' };

/** By what became of them. */
export interface ChangeCounts {
  readonly changed: number;
  readonly unchanged: number;
  readonly refused: number;
  readonly notFound: number;
}

/** A transaction of as many keeps an enrolment beside it waiting for some ms. */
const changesPerCall = 250;

/**
 * Applies one change to all certificates, in chunks that are durable one after the other: what is killed
 * in between and done again goes on where it was, since what was changed is unchanged then. Faults: those
 * of the ports; of `onChanged` after the chunk is changed.
 * @param onItems Told of each chunk when it is durable.
 */
export async function applyChange(
  ports: ChangePorts,
  selected: AsyncIterable<Selected>,
  change: CertificateChange,
  { isDryRun = false, onItems = () => undefined }: ApplyOptions = {},
): Promise<ChangeCounts> {
  const counts = { changed: 0, unchanged: 0, refused: 0, notFound: 0 };
  const note = (items: readonly ChangedItem[]): void => {
    for (const { outcome } of items) counts[outcome === 'not-found' ? 'notFound' : outcome] += 1;
    onItems(items);
  };
  let waiting: IssuedCertificate[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const certificates = waiting;
    waiting = [];
    const outcomes = isDryRun
      ? await outcomesOf(ports, certificates, change)
      : await ports.revocations.changeStatuses(
          certificates.map((certificate) => ({ ...certificate, change })),
        );
    if (!isDryRun) await ports.onChanged?.(changedChunks(certificates, outcomes));
    note(
      certificates.map((certificate, i) => {
        return { certificate, outcome: outcomes[i] ?? 'refused' };
      }),
    );
  };
  for await (const { certificate, notFound } of selected) {
    if (certificate === undefined) note([{ notFound, outcome: 'not-found' }]);
    else if (waiting.push(certificate) === changesPerCall) await flush();
  }
  await flush();
  return counts;
}

/** Each once. */
function changedChunks(
  certificates: readonly IssuedCertificate[],
  outcomes: readonly StatusOutcome[],
): readonly ChunkRef[] {
  const chunks = new Map<string, ChunkRef>();
  for (const [i, { tenant, batchId, chunkNumber }] of certificates.entries()) {
    if (outcomes[i] === 'refused') continue;
    const chunk = { tenant, batchId, chunkNumber };
    chunks.set(`${tenant}/${chunkIdOf(chunk)}`, chunk);
  }
  return [...chunks.values()];
}

export interface ApplyOptions {
  /** Says what would become of them, and changes nothing. */
  readonly isDryRun?: boolean;
  readonly onItems?: (items: readonly ChangedItem[]) => void;
}

function outcomesOf(
  { certificates: statuses }: ChangePorts,
  certificates: readonly IssuedCertificate[],
  change: CertificateChange,
): Promise<readonly StatusOutcome[]> {
  return Promise.all(
    certificates.map(async ({ tenant, batchId, index }) => {
      const status = await statuses.getStatus(tenant, batchId, index);
      return changedStatus(status, change).outcome;
    }),
  );
}
