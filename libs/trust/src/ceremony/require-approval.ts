import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, CertmillError } from '@certmill/domain';
import { createFileAtomically, publicFileMode } from '../atomic-file.js';
import { type Approval, checkQuorum, type Quorum } from './approval.js';
import { type Operation, operationHash } from './operation.js';

/** Approvals that were used, a file for each operation; lies in the data folder. */
export function approvalLedgerOf(dataDirectory: string): string {
  return join(dataDirectory, 'approvals');
}

export interface ApprovalUse {
  readonly dataDirectory: string;
  readonly nowMs: number;
  /** What uses them: an operation that was killed may be gone on with by the same use only. */
  readonly useId: string;
}

/**
 * Demands a quorum for an operation and uses its approvals up, durably, before it resolves.
 * Throws FORBIDDEN (`checkQuorum`), or CONFLICT where the operation was done before: approvals are for
 * one time.
 */
export async function requireApproval(
  operation: Operation,
  approvals: readonly Approval[],
  quorum: Quorum,
  use: ApprovalUse,
): Promise<void> {
  checkQuorum(operation, approvals, quorum, use.nowMs);
  await useApprovals(operation, approvals, use);
}

async function useApprovals(
  operation: Operation,
  approvals: readonly Approval[],
  use: ApprovalUse,
): Promise<void> {
  const ledger = approvalLedgerOf(use.dataDirectory);
  // By id and not by hash: the same operation with other content is a replay as well.
  const file = join(ledger, `${operation.id}.json`);
  const record = {
    useId: use.useId,
    usedAt: new Date(use.nowMs).toISOString(),
    kind: operation.kind,
    sha256: operationHash(operation),
    approvals,
  };
  await mkdir(ledger, { recursive: true, mode: 0o700 });
  if (await createFileAtomically(file, `${canonicalJson(record)}\n`, publicFileMode)) return;
  const earlier = await readRecord(file);
  if (earlier.useId === use.useId && earlier.sha256 === record.sha256) return;
  throw new CertmillError(
    'CONFLICT',
    `operation ${operation.id} was done at ${earlier.usedAt}: its approvals are used up`,
  );
}

interface UseRecord {
  readonly useId: string;
  readonly usedAt: string;
  readonly sha256: string;
}

async function readRecord(file: string): Promise<UseRecord> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as UseRecord;
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read`, { cause });
  }
}
