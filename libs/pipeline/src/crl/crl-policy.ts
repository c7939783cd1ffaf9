/** How long CRLs are good for, and when they are made anew. */
export interface CrlPolicy {
  /** From thisUpdate to nextUpdate of a full CRL; half of it is the overlap with the next one. */
  readonly lifetimeMs: number;
  /** Where given, changes go into delta CRLs of this lifetime, and full ones are made by time only. */
  readonly deltaLifetimeMs?: number;
  /**
   * Until then a CRL may take the place of one that was made with a clock that was ahead, and have an earlier
   * thisUpdate: somebody has said that the clock is right now, which no clock tells.
   */
  readonly replacesFutureUntilMs?: number;
}

const dayMs = 86_400_000;

/**
 * A week: clients that fetch one may be cut off from us for days. A CRL is replaced long before, by
 * every revocation and at half of its life.
 */
export const defaultCrlPolicy: CrlPolicy = { lifetimeMs: 7 * dayMs };

/** Whether a CRL of this life is to be replaced: at half of it, whatever has changed. */
export function isDue(
  crl: { readonly thisUpdateMs: number; readonly nextUpdateMs: number } | undefined,
  nowMs: number,
): boolean {
  if (crl === undefined) return true;
  return nowMs >= crl.thisUpdateMs + (crl.nextUpdateMs - crl.thisUpdateMs) / 2;
}
