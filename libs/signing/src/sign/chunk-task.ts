import { leastRequestsPerChunk, type Lane } from '@certmill/domain';
import type { KeyTask } from './key-task.js';

/**
 * Main side: the task of a chunk.
 * @param requests of the chunk: a large one may take longer.
 */
export function chunkTask(
  lane: Lane,
  requests: number,
  received: Uint8Array,
  verdict: Uint8Array,
  profile: string,
): KeyTask<'signChunk'> {
  return {
    kind: 'signChunk',
    lane,
    timeouts: Math.ceil(requests / leastRequestsPerChunk),
    pack() {
      // The one copy of the hand-over: the caller keeps its bytes for another slot.
      const chunk = new Uint8Array(received.length + verdict.length);
      chunk.set(received);
      chunk.set(verdict, received.length);
      return {
        input: { chunk: chunk.buffer, receivedBytes: received.length, profile },
        transferList: [chunk.buffer],
      };
    },
    identity: received,
  };
}
