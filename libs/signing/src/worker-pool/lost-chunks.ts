import { hash } from 'node:crypto';

/** A chunk that took this many workers with it is poison. */
const maxLosses = 3;
/** Chunks remembered at once; the oldest is forgotten first. */
const maxRemembered = 1_000;

/**
 * Remembers which chunks were in hand when a worker died, so that one that kills workers goes to the
 * dead letters instead of being retried for ever.
 */
export class LostChunks {
  private readonly losses = new Map<string, number>();

  /** Notes a loss; true where the chunk is poison. */
  isPoison(chunk: Uint8Array): boolean {
    const id = hash('sha256', chunk, 'base64');
    const count = (this.losses.get(id) ?? 0) + 1;
    this.losses.delete(id);
    if (count >= maxLosses) return true;
    this.losses.set(id, count);
    if (this.losses.size > maxRemembered) {
      for (const oldest of this.losses.keys()) {
        this.losses.delete(oldest);
        break;
      }
    }
    return false;
  }
}
