import { CertmillError } from '@certmill/domain';
import type { ApprovalLedger, UsedApprovals } from '@certmill/ports';
import type { Documents, Stored } from './connection/documents.js';

/** `_id`: the operation. */
export interface ApprovalDocument extends Stored, Omit<UsedApprovals, 'operationId' | 'approvals'> {
  /** JSON: as they were signed. */
  readonly approvals: string;
}

/** Approvals that were used: whoever inserts an operation first has done it. */
export class UsedApprovalDocuments implements ApprovalLedger {
  readonly #documents: Documents<ApprovalDocument>;

  constructor(documents: Documents<ApprovalDocument>) {
    this.#documents = documents;
  }

  async findUse(operationId: string): Promise<UsedApprovals | undefined> {
    const document = await this.#documents.get(operationId);
    return document && usedIn(document);
  }

  async useApprovals(used: UsedApprovals): Promise<UsedApprovals> {
    const { operationId: _id, approvals, ...record } = used;
    const document = { _id, ...record, approvals: JSON.stringify(approvals) };
    if ((await this.#documents.insert(document)) === 'inserted') return used;
    const first = await this.findUse(_id);
    if (first !== undefined) return first;
    throw new CertmillError('FAULT_STORE_CORRUPT', `the approvals of operation ${_id} are gone`);
  }
}

function usedIn({ _id: operationId, approvals, ...record }: ApprovalDocument): UsedApprovals {
  try {
    return { operationId, ...record, approvals: JSON.parse(approvals) as unknown[] };
  } catch (cause) {
    const message = `the approvals of operation ${operationId} are damaged`;
    throw new CertmillError('FAULT_STORE_CORRUPT', message, { cause });
  }
}
