import { z } from 'zod';
import { isCertmillError } from '@certmill/domain';
import type { Approver } from './approval.js';
import { keyFingerprint, participantKeyOf } from './participant-keys.js';

export const participantName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'expected 1-63 lower-case letters, digits and inner hyphens',
  );

export const publicKeyPem = z.string().superRefine((pem, context) => {
  try {
    participantKeyOf(pem);
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

/** Why people cannot form a quorum; undefined where they can. Names and keys stand once. */
export function approverListDefect(
  approvers: readonly Approver[],
  threshold: number,
): string | undefined {
  if (threshold > approvers.length) {
    return `asks for ${String(threshold)} of ${String(approvers.length)} people`;
  }
  const names = new Set(approvers.map(({ name }) => name));
  if (names.size < approvers.length) return 'a name stands twice';
  const keys = new Set(
    approvers.map(({ publicKey }) => keyFingerprint(participantKeyOf(publicKey))),
  );
  if (keys.size < approvers.length) return 'a key stands twice: one person counts once';
  return undefined;
}
