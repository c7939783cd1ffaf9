import { chunkIdOf, type ChunkRef, type TenantId } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';

/** Requests that were accepted and have not ended: each counts once, however often it is found. */
export class PendingRequests {
  /** Of a chunk how many there are, where it is all of them; else the indexes of those that were found. */
  readonly #chunks = new Map<string, number | Set<number>>();
  readonly #names = new Set<string>();

  /** All of a chunk. */
  addChunk(chunk: ChunkRef, requests: number, name: string): void {
    this.#chunks.set(keyOf(chunk), requests);
    this.#names.add(name);
  }

  addPlace(tenant: TenantId, place: RequestPlace, name: string): void {
    const key = keyOf({ ...place, tenant });
    const known = this.#chunks.get(key) ?? new Set();
    if (typeof known === 'number' || known.has(place.index)) return;
    this.#chunks.set(key, known.add(place.index));
    this.#names.add(name);
  }

  get count(): number {
    let count = 0;
    for (const known of this.#chunks.values()) {
      count += typeof known === 'number' ? known : known.size;
    }
    return count;
  }

  /** Under which they were found, each once. */
  get names(): readonly string[] {
    return [...this.#names];
  }
}

function keyOf(chunk: ChunkRef): string {
  return `${chunk.tenant}/${chunkIdOf(chunk)}`;
}
