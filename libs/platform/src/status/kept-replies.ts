import type { StatusReply } from './status-reply.js';

/** What an entry costs beside its octets: key, map, objects and the ends of arrays. */
const entryBytes = 512;

export interface KeptLimits {
  readonly answers: number;
  readonly bytes: number;
}

/** Replies that others who ask the same may get, bounded in number and octets. */
export class KeptReplies {
  readonly #kept = new Map<string, StatusReply>();
  readonly #limits: KeptLimits;
  #bytes = 0;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  get(key: string, nowMs: number): StatusReply | undefined {
    const known = this.#kept.get(key);
    return known?.keepUntilMs !== undefined && nowMs < known.keepUntilMs ? known : undefined;
  }

  /** The first one in is the first one out: nothing is kept for long, so use need not be followed. */
  keep(key: string, reply: StatusReply): void {
    if (reply.keepUntilMs === undefined) return;
    this.#drop(key);
    this.#kept.set(key, reply);
    this.#bytes += bytesOf(reply);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#limits.answers && this.#bytes <= this.#limits.bytes) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #drop(key: string): void {
    const known = this.#kept.get(key);
    if (known === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= bytesOf(known);
  }
}

function bytesOf({ headers, body }: StatusReply): number {
  return headers.reduce((sum, { length }) => sum + length, entryBytes + body.length);
}
