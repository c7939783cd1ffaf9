import { Command } from 'commander';
import { keyFingerprint, operationHash, participantKeyOf } from '@certmill/trust/approvals';
import { ceremonyOperation } from '@certmill/trust/ceremony';
import { readCeremony, spokenFingerprint, viewInputs } from '../ceremony/ceremony-inputs.js';
import { stepLines } from '../ceremony/ceremony-lines.js';
import { describeStep } from '../ceremony/describe-step.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export function ceremonyCheckCommand(terminal: Terminal): Command {
  const command = new Command('check')
    .description('check a ceremony file and say what it does, with the hash that is approved')
    .argument('<file>', 'ceremony in YAML')
    .option('--json', 'print one JSON object')
    .action(async (file: string) => {
      const ceremony = await readCeremony(file);
      const inputs = await viewInputs(file, ceremony);
      const { name, id, installation, window, quorum, participants } = ceremony;
      const sha256 = operationHash(ceremonyOperation(ceremony));
      const steps = ceremony.steps.map(describeStep);
      const people = participants.map((participant) => ({
        name: participant.name,
        roles: participant.roles,
        keySha256: keyFingerprint(participantKeyOf(participant.publicKey)),
      }));
      terminal.report(
        {
          file,
          name,
          id,
          installation,
          sha256,
          window,
          quorum,
          participants: people,
          steps,
          inputs,
        },
        [
          `${file}: ceremony ${name} is good`,
          installation === undefined
            ? 'for a data folder without a quorum'
            : `for the installation ${installation}`,
          `from ${window.notBefore} until ${window.notAfter}`,
          `${String(quorum.approvals)} approvals, ${String(quorum.witnesses)} witnesses` +
            (quorum.shares === undefined
              ? ''
              : `, ${String(quorum.shares)} shares open a split key`),
          '',
          ...tableLines(
            ['participant', 'roles', 'key'],
            people.map((one) => [one.name, one.roles.join(' '), one.keySha256.slice(0, 16)]),
          ),
          '',
          ...stepLines(ceremony, inputs),
          '',
          'SHA-256 of what is approved, to be read aloud:',
          spokenFingerprint(sha256),
        ],
      );
    });
  return withExamples(command, [
    ['certmill ceremony check root.yaml', 'names each line that is wrong'],
    ['certmill ceremony check root.yaml --json', 'the same for a script'],
  ]);
}
