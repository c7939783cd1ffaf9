import type { StatusReply } from './status-reply.js';

/** What a thread of the status face is started with. */
export interface StatusWorkerData {
  readonly host: string;
  readonly port: number;
  /** Several threads listen on one port, and the system shares connections out among them. */
  readonly reusePort: boolean;
  readonly maxConnections: number;
  readonly cachedAnswers: number;
  /** Answers out of the cache, counted by all threads. */
  readonly cachedCount: SharedArrayBuffer;
}

/** What a client asks. */
export interface StatusCall {
  readonly method: 'GET' | 'POST';
  /** With its query, as it came. */
  readonly url: string;
  /** Empty for GET. */
  readonly body: Uint8Array;
}

export type ToMain =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'call'; readonly id: number; readonly call: StatusCall };

export type ToThread =
  | { readonly kind: 'reply'; readonly id: number; readonly reply: StatusReply }
  /** A status changed: what is kept may be wrong. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'stop'; readonly timeoutMs: number };
