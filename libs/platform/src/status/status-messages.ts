import type { AnswerSource } from './answer-source.js';
import type { StatusCall } from './status-call.js';
import type { KeepingLimits, StatusReply } from './status-reply.js';

/** What a thread of the status face is started with. */
export interface StatusWorkerData {
  readonly host: string;
  readonly port: number;
  /** Several threads listen on one port, and the system shares connections out among them. */
  readonly reusePort: boolean;
  readonly maxConnections: number;
  readonly cachedAnswers: number;
  readonly cachedBytes: number;
  /** An answer to a request with a nonce is that client's own. */
  readonly echoesNonces: boolean;
  readonly limits: KeepingLimits;
  /** What `ThreadCounts` shares. */
  readonly counts: SharedArrayBuffer;
  readonly answers?: AnswerSource;
}

/** A reply as it reaches the thread: the whole body, or its first part and how much there is in all. */
export interface BegunReply extends StatusReply {
  /** Absent: `body` is all. The parts that follow are asked for one by one. */
  readonly wholeBytes?: number;
}

export type ToMain =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'call'; readonly id: number; readonly call: StatusCall }
  /** The client took what it was sent: the next part. */
  | { readonly kind: 'more'; readonly id: number }
  /** Nobody takes any more of it, also where it was not begun. */
  | { readonly kind: 'closed'; readonly id: number };

export type ToThread =
  | { readonly kind: 'reply'; readonly id: number; readonly reply: BegunReply }
  | { readonly kind: 'part'; readonly id: number; readonly bytes: Uint8Array }
  /** A status changed: what is kept may be wrong. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'stop'; readonly timeoutMs: number };
