import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import { type Operation, operationHash, operationKinds } from './operation.js';
import {
  isSignedStatement,
  keyFingerprint,
  participantKeyOf,
  signStatement,
} from './participant-keys.js';
import { parseStatement } from './statement-file.js';

const statementShape = {
  type: z.literal('certmill-approval'),
  version: z.literal(1),
  operation: z.strictObject({
    kind: z.enum(operationKinds),
    id: z.string().regex(/^[0-9a-f]{32}$/),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  approver: z.string().min(1).max(63),
  keySha256: z.string().regex(/^[0-9a-f]{64}$/),
  approvedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
} as const;
export const approvalSchema = z.strictObject({ ...statementShape, signature: z.base64().max(200) });

/** A detached approval: one person's signature over one operation, until a time. */
export type Approval = z.infer<typeof approvalSchema>;

/** Somebody whose approval counts. */
export interface Approver {
  readonly name: string;
  /** PEM 'PUBLIC KEY', Ed25519 or P-256. */
  readonly publicKey: string;
}

/** How many of whom have to approve. */
export interface Quorum {
  readonly threshold: number;
  readonly approvers: readonly Approver[];
}

/** Longer than a ceremony is prepared for; an approval that never ends could be kept for later. */
export const maxApprovalMs = 92 * 86_400_000;

/** Signs an approval. INVALID_INPUT where it would be valid for longer than 92 days, or not at all. */
export function approve(
  operation: Operation,
  approver: string,
  key: KeyObject,
  time: { readonly nowMs: number; readonly expiresMs: number },
): Approval {
  const lifeMs = time.expiresMs - time.nowMs;
  if (!(lifeMs > 0 && lifeMs <= maxApprovalMs)) {
    throw new CertmillError('INVALID_INPUT', 'an approval is valid from now for at most 92 days');
  }
  const { kind, id } = operation;
  const statement = {
    type: 'certmill-approval' as const,
    version: 1 as const,
    operation: { kind, id, sha256: operationHash(operation) },
    approver,
    keySha256: keyFingerprint(createPublicKey(key)),
    approvedAt: new Date(time.nowMs).toISOString(),
    expiresAt: new Date(time.expiresMs).toISOString(),
    nonce: randomBytes(16).toString('hex'),
  };
  return { ...statement, signature: signStatement('approval', statement, key) };
}

/** Reads an approval file; INVALID_INPUT with the field that is wrong. */
export function parseApproval(text: string, fileName: string): Approval {
  return parseStatement(text, fileName, 'approval', approvalSchema);
}

/**
 * Checks that enough people approved exactly this operation. One approval that is not good refuses
 * the whole: somebody has to know why it is there.
 * Throws APPROVAL_REQUIRED with the reason of each approval that does not count, or with how many are missing.
 */
export function checkQuorum(
  operation: Operation,
  approvals: readonly Approval[],
  quorum: Quorum,
  nowMs: number,
): void {
  const seen = new Set<string>();
  const defects = approvals.flatMap((approval) => {
    const defect = seen.has(approval.approver)
      ? 'approves twice: one person counts once'
      : defectOf(approval, operation, quorum, nowMs);
    seen.add(approval.approver);
    return defect === undefined ? [] : [`${approval.approver}: ${defect}`];
  });
  if (defects.length > 0) {
    throw new CertmillError('APPROVAL_REQUIRED', `approvals are refused:\n${defects.join('\n')}`);
  }
  if (approvals.length < quorum.threshold) {
    const missing = quorum.approvers.map(({ name }) => name).filter((name) => !seen.has(name));
    throw new CertmillError(
      'APPROVAL_REQUIRED',
      `${String(approvals.length)} of ${String(quorum.threshold)} approvals are there; ` +
        `these can approve: ${missing.join(', ')}`,
    );
  }
}

/** The approvals by people of a quorum, with the keys by which it knows them. */
export function approvalsOf(
  { approvers }: Quorum,
  approvals: readonly Approval[],
): readonly Approval[] {
  const known = new Map(
    approvers.map(({ name, publicKey }) => [name, keyFingerprint(participantKeyOf(publicKey))]),
  );
  return approvals.filter(({ approver, keySha256 }) => known.get(approver) === keySha256);
}

/**
 * `checkQuorum` for an operation that several quorums have to approve: each by its own people. An
 * approval by nobody of them refuses the whole.
 */
export function checkQuorums(
  operation: Operation,
  approvals: readonly Approval[],
  quorums: readonly Quorum[],
  nowMs: number,
): void {
  const known = new Set(quorums.flatMap((quorum) => approvalsOf(quorum, approvals)));
  for (const quorum of quorums) {
    const own = new Set(approvalsOf(quorum, approvals));
    const relevant = approvals.filter((approval) => own.has(approval) || !known.has(approval));
    checkQuorum(operation, relevant, quorum, nowMs);
  }
}

function defectOf(
  approval: Approval,
  operation: Operation,
  quorum: Quorum,
  nowMs: number,
): string | undefined {
  const approver = quorum.approvers.find(({ name }) => name === approval.approver);
  if (approver === undefined) return 'is not among those who can approve this';
  const { signature, ...statement } = approval;
  const publicKey = participantKeyOf(approver.publicKey);
  if (!isSignedStatement('approval', statement, signature, publicKey)) {
    return 'the signature does not verify with the key that is known';
  }
  if (approval.operation.id !== operation.id || approval.operation.kind !== operation.kind) {
    return `approves another operation (${approval.operation.kind} ${approval.operation.id})`;
  }
  if (approval.operation.sha256 !== operationHash(operation)) {
    return 'approves the same operation with other content: it was changed after the approval';
  }
  const [from, to] = [Date.parse(approval.approvedAt), Date.parse(approval.expiresAt)];
  if (nowMs >= to) return `the approval expired at ${approval.expiresAt}`;
  if (to - from > maxApprovalMs) return 'the approval is valid for more than 92 days';
  // Clocks of two machines without a network differ.
  if (nowMs < from - clockToleranceMs)
    return `the approval is of the future: ${approval.approvedAt}`;
  return undefined;
}

const clockToleranceMs = 10 * 60_000;
