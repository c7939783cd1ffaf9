import { createHash } from 'node:crypto';
import type { TenantId } from './ids.js';

/** One entry of the audit trail: who did what, when, and what came of it. */
export interface AuditEntry {
  readonly atMs: number;
  /** Tenant it is about; absent: the installation. */
  readonly tenant?: TenantId;
  /** Label of the credential, or the command and the user of the system that ran it. */
  readonly actor: string;
  /** `certificate.revoked`, `issuer.created`, `profile.added`, ... */
  readonly action: string;
  /** What it was done to and how; never secrets. */
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** An entry in its place: each has the hash of the one before, so that none can be changed or left out. */
export interface ChainedAuditEntry extends AuditEntry {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** SHA-256 over the canonical entry and the hash before, hex. */
  readonly hash: string;
}

type ChainLink = Pick<ChainedAuditEntry, 'sequence' | 'hash'>;

/** What stands before the first entry. */
const beginning: ChainLink = { sequence: 0, hash: '0'.repeat(64) };

/** The entry behind `previous`, or the first of all. */
export function chainAuditEntry(
  entry: AuditEntry,
  previous: ChainLink = beginning,
): ChainedAuditEntry {
  const { atMs, tenant, actor, action, detail } = entry;
  const sequence = previous.sequence + 1;
  const canonical = JSON.stringify([
    previous.hash,
    sequence,
    atMs,
    tenant ?? null,
    actor,
    action,
    Object.entries(detail).sort(([one], [other]) => (one < other ? -1 : 1)),
  ]);
  return {
    atMs,
    ...(tenant === undefined ? {} : { tenant }),
    actor,
    action,
    detail,
    sequence,
    hash: createHash('sha256').update(canonical).digest('hex'),
  };
}

/**
 * The sequence number at which the entries do not go on from `previous` (absent: are not the first ones)
 * as they were written: one is missing there or was changed. Undefined where they do.
 */
export function auditBreakOf(
  entries: readonly ChainedAuditEntry[],
  previous?: ChainLink,
): number | undefined {
  let before = previous ?? beginning;
  for (const entry of entries) {
    const expected = chainAuditEntry(entry, before);
    if (entry.sequence !== expected.sequence || entry.hash !== expected.hash) {
      return expected.sequence;
    }
    before = entry;
  }
  return undefined;
}
