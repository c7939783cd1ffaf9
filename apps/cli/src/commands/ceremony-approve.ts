import { createPublicKey } from 'node:crypto';
import { Command } from 'commander';
import { CertmillError, durationSeconds } from '@certmill/domain';
import {
  approve,
  keyFingerprint,
  operationHash,
  parseOperation,
  participantKeyOf,
  type Approver,
  type Operation,
} from '@certmill/trust/approvals';
import { ceremonyOperation, ceremonyQuorum } from '@certmill/trust/ceremony';
import { readCeremony, spokenFingerprint, viewInputs } from '../ceremony/ceremony-inputs.js';
import { stepLines } from '../ceremony/ceremony-lines.js';
import { readText } from '../read-input.js';
import { writeResult } from '../result-file.js';
import { readSigningKey, withSigningKey, type SigningKeyOptions } from '../ceremony/signing-key.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

interface ApproveOptions extends SigningKeyOptions {
  readonly as?: string;
  readonly expires: string;
  readonly out?: string;
}

export function ceremonyApproveCommand(terminal: Terminal): Command {
  const command = new Command('approve')
    .description('sign an approval of a ceremony, or of an operation that a command proposed')
    .argument('<file>', 'ceremony in YAML, or the JSON of a proposed operation')
    .option('--as <name>', 'who approves; of an operation; default: whose key it is')
    .option('--expires <duration>', 'how long the approval is good', '7d')
    .option('--out <file>', 'default: FILE.NAME.approval.json')
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: ApproveOptions) => {
      const key = await readSigningKey(terminal, options);
      const { operation, approvers, lines } = await readOperation(file);
      const approver = approverOf(approvers, keyFingerprint(createPublicKey(key)), options.as);
      const nowMs = Date.now();
      const expiresMs = nowMs + durationSeconds(options.expires) * 1_000;
      const approval = approve(operation, approver, key, { nowMs, expiresMs });
      const out = options.out ?? `${file}.${approver}.approval.json`;
      await writeResult(out, `${JSON.stringify(approval, undefined, 2)}\n`);
      const sha256 = operationHash(operation);
      terminal.report({ approval: out, approver, sha256, expiresAt: approval.expiresAt }, [
        `${approver} approves ${operation.kind} ${operation.id} until ${approval.expiresAt}: ${out}`,
        ...lines,
        'SHA-256 of what is approved, to be read aloud:',
        spokenFingerprint(sha256),
      ]);
    });
  return withExamples(withSigningKey(command), [
    [
      'certmill ceremony approve root.yaml --key alice.key --passphrase-file alice.pass',
      'writes root.yaml.alice.approval.json',
    ],
  ]);
}

/** As much of a parameter as fits a line; the file has the whole. */
const maxShownCharacters = 200;

function parameterLines({ parameters }: Operation): readonly string[] {
  return Object.entries(parameters).map(([name, value]) => {
    const text = JSON.stringify(value);
    const isCut = text.length > maxShownCharacters;
    return `  ${name}: ${text.slice(0, maxShownCharacters)}${isCut ? ' ...' : ''}`;
  });
}

/** Of a ceremony the approvers stand in it; of an operation they stand in the installation. */
async function readOperation(file: string): Promise<{
  readonly operation: Operation;
  readonly approvers: readonly Approver[];
  /** What is approved. */
  readonly lines: readonly string[];
}> {
  if (file.endsWith('.json')) {
    const operation = parseOperation(await readText(file), file);
    return { operation, approvers: [], lines: parameterLines(operation) };
  }
  const ceremony = await readCeremony(file);
  const lines = stepLines(ceremony, await viewInputs(file, ceremony));
  const { approvers } = ceremonyQuorum(ceremony);
  return { operation: ceremonyOperation(ceremony), approvers, lines };
}

function approverOf(
  approvers: readonly Approver[],
  fingerprint: string,
  wanted: string | undefined,
): string {
  const found = approvers.find(
    ({ publicKey }) => keyFingerprint(participantKeyOf(publicKey)) === fingerprint,
  );
  if (approvers.length > 0 && found === undefined) {
    throw new CertmillError('FORBIDDEN', 'the key is of no administrator of this ceremony');
  }
  const name = found?.name ?? wanted;
  if (name === undefined) {
    throw new CertmillError('INVALID_INPUT', 'say with --as who approves the operation');
  }
  if (wanted !== undefined && wanted !== name) {
    throw new CertmillError('FORBIDDEN', `the key is that of ${name}`);
  }
  return name;
}
