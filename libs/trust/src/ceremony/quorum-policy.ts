import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrorCode } from '../atomic-file.js';
import { caDirectoryOf } from '../hierarchy/issuer-paths.js';
import type { Quorum } from './approval.js';
import { hex } from './field-schemas.js';
import { newOperationId } from './operation.js';
import { parseStatement } from './statement-file.js';
import { approverListDefect, participantName, publicKeyPem } from './participants.js';

const schema = z
  .strictObject({
    type: z.literal('certmill-quorum'),
    version: z.literal(1),
    installation: hex(16),
    threshold: z.int().min(1).max(255),
    approvers: z.array(z.strictObject({ name: participantName, publicKey: publicKeyPem })).min(1),
  })
  .superRefine(({ threshold, approvers }, context) => {
    const defect = approverListDefect(approvers, threshold);
    if (defect !== undefined) context.addIssue({ code: 'custom', message: defect });
  });

/** The quorum of an installation, which has an id: what is approved for it is approved nowhere else. */
export interface QuorumPolicy extends Quorum {
  /** 32 hex digits at random. */
  readonly installation: string;
}

/** An installation with this file asks for a quorum before every sensitive operation. */
export function quorumPolicyFileOf(dataDirectory: string): string {
  return join(caDirectoryOf(dataDirectory), 'quorum.json');
}

/** The quorum policy of a data folder, as `readQuorumPolicyFile`. */
export function readQuorumPolicy(dataDirectory: string): Promise<QuorumPolicy | undefined> {
  return readQuorumPolicyFile(quorumPolicyFileOf(dataDirectory));
}

/**
 * A quorum policy; undefined where there is no such file. Throws INVALID_INPUT where the file is
 * damaged: a policy that cannot be read is never taken for none.
 */
export async function readQuorumPolicyFile(file: string): Promise<QuorumPolicy | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
  return parseQuorumPolicy(text, file);
}

/** INVALID_INPUT where the text is none. */
export function parseQuorumPolicy(text: string, fileName: string): QuorumPolicy {
  const policy = parseStatement(text, fileName, 'quorum policy', schema);
  const { installation, threshold, approvers } = policy;
  return { installation, threshold, approvers };
}

/** @param installation that of the quorum before; absent: it is the first. */
export function serializeQuorumPolicy(
  { threshold, approvers }: Quorum,
  installation = newOperationId(),
): string {
  const people = approvers.map(({ name, publicKey }) => ({ name, publicKey }));
  const policy = {
    ...{ type: 'certmill-quorum', version: 1, installation },
    ...{ threshold, approvers: people },
  };
  return `${JSON.stringify(policy, undefined, 2)}\n`;
}
