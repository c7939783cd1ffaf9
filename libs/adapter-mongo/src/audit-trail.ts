import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CertmillError,
  chainAuditEntry,
  type AuditEntry,
  type ChainedAuditEntry,
} from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';
import type { Documents, Stored } from './connection/documents.js';

/** `_id`: the sequence number, 12 digits. */
export interface AuditDocument extends Stored, Omit<ChainedAuditEntry, 'detail'> {
  /** JSON: names of details may hold anything. */
  readonly detail: string;
  /** Of one try to append it. */
  readonly writer?: string;
}

/** Others being first this often in a row is no bad luck any more. */
const maxLosses = 100;
const longestPauseMs = 20;

/** The audit trail: whoever inserts a number first goes on from the entry before it. */
export class AuditTrail implements AuditStore {
  readonly #entries: Documents<AuditDocument>;
  readonly #random: () => number;

  /** @param random 0 to 1: spreads those that come at once. */
  constructor(entries: Documents<AuditDocument>, random: () => number) {
    this.#entries = entries;
    this.#random = random;
  }

  async appendAudit(entry: AuditEntry): Promise<ChainedAuditEntry> {
    for (let losses = 0; losses <= maxLosses; losses += 1) {
      const chained = chainAuditEntry(entry, await this.#last());
      const document = { ...auditDocumentOf(chained), writer: randomUUID() };
      if ((await this.#entries.insertOwn(document)) === 'inserted') return chained;
      await delay(this.#random() * longestPauseMs);
    }
    throw new CertmillError('FAULT_OVERLOADED', 'other processes keep coming first');
  }

  async listAudit({
    limit,
    after = 0,
  }: {
    readonly limit: number;
    readonly after?: number;
  }): Promise<readonly ChainedAuditEntry[]> {
    const where = { _id: { $gt: keyOf(after) } };
    const found = await this.#entries.find(where, { sort: { _id: 1 }, limit });
    return found.map(entryOf);
  }

  async #last(): Promise<ChainedAuditEntry | undefined> {
    const [last] = await this.#entries.find({}, { sort: { _id: -1 }, limit: 1 });
    return last && entryOf(last);
  }
}

export function auditDocumentOf({ detail, ...entry }: ChainedAuditEntry): AuditDocument {
  return { _id: keyOf(entry.sequence), ...entry, detail: JSON.stringify(detail) };
}

function keyOf(sequence: number): string {
  return String(sequence).padStart(12, '0');
}

function entryOf({ _id, detail, writer: _, ...entry }: AuditDocument): ChainedAuditEntry {
  try {
    return { ...entry, detail: JSON.parse(detail) as ChainedAuditEntry['detail'] };
  } catch (cause) {
    const message = `audit entry ${String(Number(_id))} is damaged`;
    throw new CertmillError('FAULT_AUDIT_BROKEN', message, { cause });
  }
}
