import type { Writable } from 'node:stream';

/** A stream that may be a terminal: `process.stdout` and its like. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };
