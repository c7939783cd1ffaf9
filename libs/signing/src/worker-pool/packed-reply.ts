import { move, transferableSymbol, valueSymbol } from 'piscina';

/**
 * Worker side: a reply whose `buffers` move to the main thread instead of being copied. The worker
 * has no access to them afterwards.
 */
export function packedReply<R>(reply: R, buffers: readonly ArrayBuffer[]): R {
  // Piscina unwraps it before it posts, so the main thread gets an R.
  return move({ [transferableSymbol]: buffers, [valueSymbol]: reply } as never) as R;
}
