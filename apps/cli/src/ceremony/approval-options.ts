import { rename, writeFile } from 'node:fs/promises';
import { CommanderError, type Command } from 'commander';
import type { ProposedOperation } from '@certmill/domain';
import { parseApproval, type Approval } from '@certmill/trust/approvals';
import type { Terminal } from '../terminal/terminal.js';
import { readText } from '../read-input.js';

/** The options of every command that may need a quorum. */
export interface ApprovalOptions {
  readonly approval: readonly string[];
  readonly propose?: string;
}

/** How to go on from a refusal. */
export const howApproved =
  "write down what would be done with --propose FILE, have it approved with 'certmill ceremony approve " +
  "FILE --as NAME --key KEY', and give the same command with --approval FILE for each";

export function withApprovalOptions(command: Command): Command {
  return command
    .option(
      '--approval <file>',
      'approval of the quorum, where one is asked for; repeat it',
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option('--propose <file>', 'write down what would be done, to be approved, and stop');
}

/** INVALID_INPUT names the file that is no approval. */
export function readApprovals(files: readonly string[]): Promise<readonly Approval[]> {
  return Promise.all(files.map(async (file) => parseApproval(await readText(file), file)));
}

/** Writes an operation for its approvers: the whole file or nothing. */
export async function writeProposal(
  file: string,
  { kind, id, parameters }: ProposedOperation['operation'],
): Promise<void> {
  const temporary = `${file}.tmp`;
  await writeFile(temporary, `${JSON.stringify({ kind, id, parameters }, undefined, 2)}\n`);
  await rename(temporary, file);
}

/** Writes an operation for its approvers and ends the command: what it says is all it does. */
export async function propose(
  terminal: Terminal,
  file: string,
  operation: ProposedOperation['operation'],
): Promise<never> {
  const { kind, id } = operation;
  await writeProposal(file, operation);
  terminal.report({ proposed: file, kind, id }, [
    `wrote ${file}: ${kind} ${id}; nothing was done`,
    '',
    'next:',
    `  certmill ceremony approve ${file} --as NAME --key KEY`,
  ]);
  throw new CommanderError(0, 'certmill.proposed', 'proposed');
}
