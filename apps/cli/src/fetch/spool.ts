import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { linesOf } from '@certmill/pipeline';
import type { IssuanceClient } from '../client/issuance-client.js';
import type { Patience } from '../client/retry.js';
import { parseCertificateLine } from './certificate-line.js';

/** How far a spool file is. */
interface SpoolState {
  readonly lines: number;
  /** Index and chunk of the last certificate; index -1 before the first. */
  readonly lastIndex: number;
  readonly lastChunk: number;
  /** Octets of whole lines. */
  readonly bytes: number;
}

/**
 * Downloads the certificates of a batch as NDJSON into a file that survives broken connections and
 * the end of the process: a later call goes on after its last whole line. Resolves with the number of
 * lines once the server ended its answer, which waits for the end of the batch.
 */
export async function spoolCertificates(
  client: IssuanceClient,
  batchId: string,
  file: string,
  onLines: (lines: number) => void,
): Promise<number> {
  const patience = client.patience();
  const handle = await open(file, 'a+', 0o600);
  try {
    let state = await stateOf(file);
    // An unfinished last line is fetched again.
    await handle.truncate(state.bytes);
    for (;;) {
      try {
        const query = { format: 'ndjson', follow: true, firstChunk: state.lastChunk };
        for await (const lines of linesOf(client.batchResults(batchId, 'certificates', query))) {
          state = await append(handle, state, lines, patience);
          onLines(state.lines);
        }
        await handle.sync();
        return state.lines;
      } catch (error) {
        state = await stateOf(file);
        await patience.wait(error, true);
      }
    }
  } finally {
    await handle.close();
  }
}

/** Appends what is new: the chunk that a broken answer ended in comes again from its beginning. */
async function append(
  handle: FileHandle,
  state: SpoolState,
  lines: readonly Buffer[],
  patience: Patience,
): Promise<SpoolState> {
  const fresh: Buffer[] = [];
  let { lastIndex, lastChunk } = state;
  for (const line of lines) {
    const { index, chunk } = parseCertificateLine(line.toString());
    if (index <= lastIndex) continue;
    lastIndex = index;
    lastChunk = chunk;
    fresh.push(line);
  }
  if (fresh.length === 0) return state;
  const bytes = Buffer.concat(fresh);
  await handle.appendFile(bytes);
  patience.progressed();
  return {
    lines: state.lines + fresh.length,
    lastIndex,
    lastChunk,
    bytes: state.bytes + bytes.length,
  };
}

async function stateOf(file: string): Promise<SpoolState> {
  let lines = 0;
  let bytes = 0;
  let last: Buffer | undefined;
  for await (const group of linesOf(createReadStream(file) as AsyncIterable<Buffer>)) {
    lines += group.length;
    for (const line of group) bytes += line.length;
    last = group.at(-1);
  }
  if (last === undefined) return { lines: 0, lastIndex: -1, lastChunk: 0, bytes: 0 };
  const { index, chunk } = parseCertificateLine(last.toString());
  return { lines, lastIndex: index, lastChunk: chunk, bytes };
}
