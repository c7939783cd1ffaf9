import { hash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '@certmill/domain';
import { hex } from './field-schemas.js';
import { parseStatement } from './statement-file.js';

/** What needs a quorum: a whole ceremony, or one command in an installation that has a quorum policy. */
export const operationKinds = [
  'ceremony',
  'issuer-creation',
  'root-use',
  'profile-change',
  'mass-revocation',
  'mass-reissue',
] as const;

export type OperationKind = (typeof operationKinds)[number];

/**
 * An operation in all of its parameters. What is approved is this and nothing else; the id makes two
 * runs of the same command two operations.
 */
export interface Operation {
  readonly kind: OperationKind;
  /** 32 hex digits at random. */
  readonly id: string;
  /** JSON: everything that decides what is done; files stand with their SHA-256. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export function newOperationId(): string {
  return randomBytes(16).toString('hex');
}

/** What is to be done, as it stands in the file that is approved. */
export function operationOf(
  { kind, parameters }: Pick<Operation, 'kind' | 'parameters'>,
  id = newOperationId(),
): Operation {
  const json = JSON.parse(JSON.stringify(parameters)) as Operation['parameters'];
  return { kind, id, parameters: json };
}

/** SHA-256 of the canonical operation, hex. */
export function operationHash(operation: Operation): string {
  const { kind, id, parameters } = operation;
  return hash('sha256', canonicalJson({ kind, id, parameters }), 'hex');
}

const operationSchema = z.strictObject({
  kind: z.enum(operationKinds).exclude(['ceremony']),
  id: hex(16),
  parameters: z.record(z.string(), z.unknown()),
});

/** Reads the file of an operation that a command proposed. INVALID_INPUT. */
export function parseOperation(text: string, fileName: string): Operation {
  return parseStatement(text, fileName, 'proposed operation', operationSchema);
}
