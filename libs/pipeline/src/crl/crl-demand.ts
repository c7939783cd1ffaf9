import type { Job, StoredCrl } from '@certmill/ports';

/** A CRL of a scope that somebody wants, whether or not one is due. */
export interface CrlDemand {
  readonly kind: StoredCrl['kind'];
  /** The number of the one that was in force when it was asked for; absent: none was. */
  readonly after?: bigint;
  /** Changes that the scope had had by then. */
  readonly changes: number;
}

/** Whether a CRL has taken the place of the one that was in force, with all that was to be in it. */
export function isMet(
  { after, changes }: CrlDemand,
  inForce: Pick<StoredCrl, 'crlNumber' | 'changes'> | undefined,
): boolean {
  return inForce !== undefined && inForce.crlNumber !== after && inForce.changes >= changes;
}

/** Told apart from other demands of the scope: the same one twice is one. */
export function demandKey({ kind, after, changes }: CrlDemand): string {
  return `${kind}+${String(after ?? 'none')}+${String(changes)}`;
}

export function demandData({ kind, after, changes }: CrlDemand): Job['data'] {
  return { kind, changes, ...(after === undefined ? {} : { after: String(after) }) };
}

/** Of a job; undefined of one that wants what is due. */
export function demandOf({ data: { kind, after, changes } }: Job): CrlDemand | undefined {
  if ((kind !== 'full' && kind !== 'delta') || typeof changes !== 'number') return undefined;
  return { kind, changes, ...(typeof after === 'string' ? { after: BigInt(after) } : {}) };
}
