import {
  changedStatus,
  chunkIdOf,
  type CertificateChange,
  type ChunkRef,
  type StatusOutcome,
} from '@certmill/domain';
import type { CertificateStore, RevocationStore } from '@certmill/ports';
import type { IssuedCertificate } from './read-certificates.js';
import { readStatuses } from './read-statuses.js';
import type { Selected } from './select-certificates.js';

export interface ChangePorts {
  readonly revocations: Pick<RevocationStore, 'changeStatuses'>;
  readonly certificates: Pick<CertificateStore, 'listStatuses'>;
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
  { isDryRun = false, told, onGroup, onBefore, onItems = () => undefined }: ApplyOptions = {},
): Promise<ChangeCounts> {
  const counts = { changed: 0, unchanged: 0, refused: 0, notFound: 0 };
  const note = (items: readonly ChangedItem[]): void | Promise<void> => {
    for (const { outcome } of items) counts[outcome === 'not-found' ? 'notFound' : outcome] += 1;
    return onItems(items);
  };
  let waiting: IssuedCertificate[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const certificates = waiting;
    waiting = [];
    await onGroup?.(certificates);
    const expected =
      isDryRun || onBefore ? await outcomesOf(ports, certificates, change, told) : [];
    const toChange = certificates.filter((_, i) => expected[i] === 'changed');
    if (!isDryRun && toChange.length > 0) await onBefore?.(toChange);
    const outcomes = isDryRun
      ? expected
      : await ports.revocations.changeStatuses(
          certificates.map((certificate) => ({ ...certificate, change })),
        );
    if (!isDryRun) await ports.onChanged?.(changedChunks(certificates, outcomes));
    await note(
      certificates.map((certificate, i) => {
        return { certificate, outcome: outcomes[i] ?? 'refused' };
      }),
    );
  };
  for await (const { certificate, notFound } of selected) {
    if (certificate === undefined) await note([{ notFound, outcome: 'not-found' }]);
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
  /**
   * Of a dry run in several parts: places of which it was told that they would be changed. One that is selected
   * again would be unchanged.
   */
  readonly told?: Set<string>;
  /** Waited for ahead of each chunk, whatever becomes of it. */
  readonly onGroup?: (certificates: readonly IssuedCertificate[]) => Promise<void>;
  /** Waited for before a chunk is changed, with what will be as its statuses are now. */
  readonly onBefore?: (certificates: readonly IssuedCertificate[]) => Promise<void>;
  /** Waited for behind each chunk. */
  readonly onItems?: (items: readonly ChangedItem[]) => void | Promise<void>;
}

async function outcomesOf(
  ports: ChangePorts,
  certificates: readonly IssuedCertificate[],
  change: CertificateChange,
  told = new Set<string>(),
): Promise<readonly StatusOutcome[]> {
  const statuses = await readStatuses(ports, certificates);
  return certificates.map(({ tenant, batchId, index }, i) => {
    const { outcome } = changedStatus(statuses[i] ?? { state: 'good' }, change);
    const place = `${tenant}/${batchId}/${String(index)}`;
    if (outcome !== 'changed') return outcome;
    if (told.has(place)) return 'unchanged';
    told.add(place);
    return outcome;
  });
}
