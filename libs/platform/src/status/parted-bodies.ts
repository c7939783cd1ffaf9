import type { HeldOctets } from '../http/held-octets.js';

/** What is sent at once: a body that is longer lies in one place only, however many are sent it. */
export const partBytes = 64 * 1024;

interface PartedBody {
  readonly body: Uint8Array;
  readonly held: Disposable;
  sentBytes: number;
}

/** Bodies of one thread that are sent part by part, each when its client took the one before. */
export class PartedBodies {
  readonly #held: HeldOctets;
  readonly #underWay = new Map<number, PartedBody>();

  /** @param held Shared by all threads. */
  constructor(held: HeldOctets) {
    this.#held = held;
  }

  /** The first part, of its own; undefined where no further body may be held. */
  begin(id: number, body: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const held = this.#held.hold(body);
    if (held === undefined) return undefined;
    const begun: PartedBody = { body, held, sentBytes: 0 };
    this.#underWay.set(id, begun);
    return nextPart(begun);
  }

  /** The next part, of its own; undefined once it was ended. */
  next(id: number): Uint8Array<ArrayBuffer> | undefined {
    const begun = this.#underWay.get(id);
    return begun && nextPart(begun);
  }

  end(id: number): void {
    this.#underWay.get(id)?.held[Symbol.dispose]();
    this.#underWay.delete(id);
  }
}

function nextPart(begun: PartedBody): Uint8Array<ArrayBuffer> {
  const part = new Uint8Array(begun.body.subarray(begun.sentBytes, begun.sentBytes + partBytes));
  begun.sentBytes += part.length;
  return part;
}
