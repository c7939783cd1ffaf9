import {
  CertmillError,
  type ChunkOutcome,
  type ChunkPlace,
  type ChunkRef,
  type FrozenBatch,
  type MassOperation,
  type OutcomeReason,
  type OutcomeRun,
  type RejectionCode,
  type TenantId,
} from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { resultsOf, type Result } from '../publish/read-results.js';
import { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';
import { outcomesOf } from './operation-outcomes.js';
import { readChunk } from './read-chunk.js';

/**
 * What became of a certificate: as a step left it (`MassOutcome`), where a reissue submitted it what came of
 * that, once it has ended; `pending`: its request was on its way when it was looked at.
 */
export const resultOutcomes = [
  'changed',
  'unchanged',
  'refused',
  'skipped',
  'submitted',
  'issued',
  'rejected',
  'pending',
] as const;
export type ResultOutcome = (typeof resultOutcomes)[number];

/** A certificate of an operation's selection, by the request that it was issued for. */
export interface MassResult {
  readonly batchId: string;
  readonly index: number;
  readonly outcome: ResultOutcome;
  /** Of one that was refused, passed over or rejected. */
  readonly reason?: OutcomeReason | RejectionCode;
  /** Not of one that is pending. */
  readonly deviceId?: string;
  readonly serialNumber?: Uint8Array;
}

/** For one page at most: where few are looked for it is short, and the next one goes on. */
const outcomesPerPage = 2_000;
const chunksPerPage = 64;
const cursorPattern = /^(?:(\d{1,7})\.(\d{1,9}))?:(\d{1,5})$/;

interface Place {
  /** The chunk that was told whole. */
  readonly after?: ChunkPlace;
  /** Certificates of the next one that were told. */
  readonly told: number;
}

/**
 * The certificates that an operation has looked at so far, each with what became of it, in the order of its
 * selection. Faults: INVALID_INPUT for a cursor.
 */
export async function listMassResults(
  ports: MassPorts,
  operation: MassOperation,
  { limit, cursor }: PageRequest,
  wanted?: ResultOutcome,
): Promise<Page<MassResult>> {
  const reader = new ResultReader(ports, operation);
  const items: MassResult[] = [];
  let place = placeOf(cursor);
  let seen = 0;
  let read = 0;
  for await (const outcome of outcomesOf(ports, operation, { from: place.after })) {
    if (seen === outcomesPerPage || read === chunksPerPage) return { items, next: cursorOf(place) };
    seen += 1;
    const { batch, chunkNumber } = outcome;
    if (mayHold(outcome, wanted)) {
      read += 1;
      for (const [i, result] of (await reader.ofChunk(outcome)).entries()) {
        if (i < place.told || (wanted !== undefined && result.outcome !== wanted)) continue;
        if (items.length === limit) return { items, next: cursorOf({ ...place, told: i }) };
        items.push(result);
      }
    }
    place = { after: { batch, chunkNumber }, told: 0 };
  }
  return { items };
}

function mayHold({ runs, isPending }: ChunkOutcome, wanted: ResultOutcome | undefined): boolean {
  if (wanted === undefined) return isPending || runs.length > 0;
  if (wanted === 'pending') return isPending;
  const left = wanted === 'issued' || wanted === 'rejected' ? 'submitted' : wanted;
  return runs.some(({ outcome }) => outcome === left);
}

class ResultReader {
  readonly #ports: MassPorts;
  readonly #operation: MassOperation;
  readonly #frozen: FrozenSelection;
  /** Of the chunk that was read last: chunks of a reissue hold requests that were in one chunk. */
  #ended: ReadonlyMap<string, Result> = new Map();

  constructor(ports: MassPorts, operation: MassOperation) {
    this.#ports = ports;
    this.#operation = operation;
    this.#frozen = new FrozenSelection(ports.operations, operation);
  }

  async ofChunk(outcome: ChunkOutcome): Promise<readonly MassResult[]> {
    const { tenant } = this.#operation;
    const batch = await this.#frozen.at(outcome.batch);
    if (batch === undefined) return [];
    const { chunkNumber, isPending, runs } = outcome;
    if (isPending) return this.#pendingOf({ tenant, batchId: batch.batchId, chunkNumber });
    const { certificates } = await readChunk(this.#ports, tenant, batch, chunkNumber, {});
    const byIndex = new Map(certificates.map((each) => [each.index, each]));
    const results: MassResult[] = [];
    let submitted = 0;
    for (const [index, run] of eachIndex(runs)) {
      const { deviceId, serialNumber } = byIndex.get(index) ?? {};
      const came =
        run.outcome === 'submitted'
          ? await this.#cameOf(tenant, outcome, submitted++)
          : leftAs(run);
      results.push({ ...nameOf(batch, index), ...came, ...present({ deviceId, serialNumber }) });
    }
    return results;
  }

  async #pendingOf(chunk: ChunkRef): Promise<readonly MassResult[]> {
    const registered = await this.#ports.batches.getRegistration(chunk);
    const { firstIndex = 0, count = 0 } = registered ?? {};
    return Array.from({ length: count }, (_, i) => {
      return { ...nameOf(chunk, firstIndex + i), outcome: 'pending' };
    });
  }

  /** What came of one that was submitted: the `nth` of its chunk. */
  async #cameOf(
    tenant: TenantId,
    { uploaded = [] }: ChunkOutcome,
    nth: number,
  ): Promise<Pick<MassResult, 'outcome' | 'reason'>> {
    let before = 0;
    for (const { batchId, index, count } of uploaded) {
      if (nth < before + count) return this.#resultAt(tenant, batchId, index + nth - before);
      before += count;
    }
    return { outcome: 'submitted' };
  }

  async #resultAt(
    tenant: TenantId,
    batchId: string,
    index: number,
  ): Promise<Pick<MassResult, 'outcome' | 'reason'>> {
    const { certificates } = this.#ports;
    let result = this.#ended.get(`${batchId}/${String(index)}`);
    if (result === undefined) {
      const chunk = await certificates.findChunk(tenant, batchId, index);
      const segment = chunk && (await certificates.getSegment(chunk));
      if (segment === undefined) return { outcome: 'submitted' };
      const ended = resultsOf(segment);
      this.#ended = new Map(ended.map((each) => [`${batchId}/${String(each.index)}`, each]));
      result = ended.find((each) => each.index === index);
    }
    if (result === undefined) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a request is not in its chunk');
    }
    const { rejection } = result;
    return rejection === undefined
      ? { outcome: 'issued' }
      : { outcome: 'rejected', reason: rejection.code };
  }
}

function* eachIndex(runs: readonly OutcomeRun[]): Generator<readonly [number, OutcomeRun]> {
  for (const run of runs) {
    for (let i = 0; i < run.count; i += 1) yield [run.index + i, run];
  }
}

function leftAs({ outcome, reason }: OutcomeRun): Pick<MassResult, 'outcome' | 'reason'> {
  return reason === undefined ? { outcome } : { outcome, reason };
}

function nameOf({ batchId }: Pick<FrozenBatch, 'batchId'>, index: number) {
  return { batchId, index };
}

function present({
  deviceId,
  serialNumber,
}: {
  readonly deviceId: string | undefined;
  readonly serialNumber: Uint8Array | undefined;
}): Pick<MassResult, 'deviceId' | 'serialNumber'> {
  return {
    ...(deviceId === undefined || deviceId === '' ? {} : { deviceId }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
}

function placeOf(cursor: string | undefined): Place {
  if (cursor === undefined) return { told: 0 };
  const [, batch, chunkNumber, told] = cursorPattern.exec(cursor) ?? [];
  if (told === undefined) throw new CertmillError('INVALID_INPUT', 'the cursor is not one of ours');
  if (batch === undefined) return { told: Number(told) };
  return {
    after: { batch: Number(batch), chunkNumber: Number(chunkNumber) },
    told: Number(told),
  };
}

function cursorOf({ after, told }: Place): string {
  const place = after === undefined ? '' : `${String(after.batch)}.${String(after.chunkNumber)}`;
  return `${place}:${String(told)}`;
}
