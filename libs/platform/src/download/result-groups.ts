import { stoppingFault, type Batch } from '@certmill/domain';
import {
  certificatesOf,
  resultsOf,
  segmentsOf,
  type Result,
  type ResultPorts,
} from '@certmill/pipeline';

/** The results of one chunk. */
export interface ResultGroup {
  readonly chunkNumber: number;
  /** Decoded when asked for. */
  readonly results: readonly Result[];
  /** The same without what is around them, which most of the octets of a download need not. */
  readonly certificates: readonly Uint8Array[];
}

export interface GroupOptions {
  readonly follow: boolean;
  readonly firstChunk: number;
  /** Ends before this chunk. */
  readonly endChunk?: number;
  readonly signal: AbortSignal;
}

/**
 * The ended chunks of a batch in order, one in memory at a time.
 * FAULT_STOPPING where the signal aborts: a half never looks like the whole.
 */
export async function* resultGroups(
  ports: ResultPorts,
  batch: Batch,
  options: GroupOptions,
): AsyncGenerator<ResultGroup> {
  const { endChunk, ...reading } = options;
  if (endChunk !== undefined && endChunk <= options.firstChunk) return;
  for await (const { chunk, segment } of segmentsOf(ports, batch.tenant, batch.batchId, reading)) {
    yield {
      chunkNumber: chunk.chunkNumber,
      get results() {
        return resultsOf(segment);
      },
      get certificates() {
        return certificatesOf(segment);
      },
    };
    if (endChunk !== undefined && chunk.chunkNumber + 1 >= endChunk) return;
  }
  if (options.signal.aborted) throw stoppingFault();
}
