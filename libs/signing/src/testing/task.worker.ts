import { spawnSync } from 'node:child_process';
import { threadId } from 'node:worker_threads';
import { packedReply } from '../worker-pool/packed-reply.js';

/** A worker that does what a test of the pool asks for. */
export function echo(bytes: ArrayBuffer): { readonly bytes: ArrayBuffer; readonly thread: number } {
  return packedReply({ bytes, thread: threadId }, [bytes]);
}

export function sleep(milliseconds: number): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  return threadId;
}

export function exit(): never {
  process.exit(3);
}

export function exhaustHeap(): number {
  const hoard: number[][] = [];
  for (;;) hoard.push(new Array<number>(100_000).fill(hoard.length));
}

export function spin(): never {
  for (;;) Math.random();
}

/** In native code, which nothing ends. */
export function hang(seconds: number): void {
  spawnSync('sleep', [String(seconds)]);
}
