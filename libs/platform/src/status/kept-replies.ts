import type { StatusCall } from './status-messages.js';
import type { StatusReply } from './status-reply.js';

/** Replies that others who ask the same may get, a bounded number. */
export class KeptReplies {
  readonly #kept = new Map<string, StatusReply>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string, nowMs: number): StatusReply | undefined {
    const known = this.#kept.get(key);
    return known?.keepUntilMs !== undefined && nowMs < known.keepUntilMs ? known : undefined;
  }

  /** The first one in is the first one out: nothing is kept for long, so use need not be followed. */
  keep(key: string, reply: StatusReply): void {
    if (reply.keepUntilMs === undefined || this.#capacity === 0) return;
    this.#kept.delete(key);
    this.#kept.set(key, reply);
    if (this.#kept.size <= this.#capacity) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      break;
    }
  }

  clear(): void {
    this.#kept.clear();
  }
}

/** The same for calls that ask the same, byte for byte. */
export function keyOfCall({ method, url, body }: StatusCall): string {
  if (method === 'GET') return url;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return `POST ${url} ${bytes.toString('latin1')}`;
}
