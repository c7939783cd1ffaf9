import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { CertmillError } from '@certmill/domain';
import { takeDataFolder } from '@certmill/standalone/folder';
import { parseApproval, type Approval } from '@certmill/trust/approvals';
import {
  machineFacts,
  outwardInterfaces,
  rehearseCeremony,
  runCeremony,
  type CeremonyProgress,
  type CeremonyResult,
} from '@certmill/trust/ceremony';
import { inputPath, readCeremony, spokenFingerprint } from '../ceremony/ceremony-inputs.js';
import { readBytes, readText } from '../read-input.js';
import { describeStep } from '../ceremony/describe-step.js';
import { peopleAtTheMachine, type PeopleOptions } from '../ceremony/people-at-the-machine.js';
import { softwareFacts } from '../ceremony/software-facts.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

interface RunOptions extends PeopleOptions {
  readonly dryRun?: boolean;
  readonly approval: readonly string[];
  readonly allowNetwork?: boolean;
}

export function ceremonyRunCommand(terminal: Terminal): Command {
  const command = new Command('run')
    .description('carry a ceremony out, or rehearse it; one that was killed goes on where it was')
    .argument('<file>', 'ceremony in YAML')
    .addOption(dataOption())
    .option('--dry-run', 'rehearse with throw-away keys and people: nothing is changed')
    .option('--approval <file>', 'a signed approval; repeat it', collect, [])
    .option('--share <file>', 'a share that a custodian brought; repeat it', collect, [])
    .option(
      '--passphrase <name=file>',
      'passphrase of a custodian; repeat it',
      collectPair,
      new Map(),
    )
    .option(
      '--custodian-key <name=file>',
      'private key of a custodian with an encryptionKey; repeat it',
      collectPair,
      new Map(),
    )
    .option('--slot <file>', 'YAML of a PKCS#11 token that makes a key; repeat it', collect, [])
    .option('--allow-network', 'although a network is up: for trials, not for keys that matter')
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: RunOptions) => {
      const ceremony = await readCeremony(file);
      const common = {
        ceremony,
        software: await softwareFacts(),
        machine: machineFacts(),
        now: Date.now,
        readInput: async (name: string) => readBytes(inputPath(file, name)),
        tell: (progress: CeremonyProgress) => tell(terminal, progress),
      };
      if (options.dryRun === true) {
        const workDirectory = await mkdtemp(join(tmpdir(), 'certmill-rehearsal-'));
        try {
          const rehearsal = { ...common, dataDirectory: options.data, workDirectory };
          reportRehearsal(terminal, file, await rehearseCeremony(rehearsal));
        } finally {
          await rm(workDirectory, { recursive: true });
        }
        return;
      }
      assertNoNetwork(terminal, options.allowNetwork ?? false);
      const approvals = await Promise.all(options.approval.map(readApproval));
      using folder = heldFolder(options.data);
      const custody = await peopleAtTheMachine(terminal, options);
      const dataDirectory = folder.directory;
      const result = await runCeremony({ ...common, dataDirectory, approvals, custody });
      reportRun(terminal, result);
    });
  return withExamples(command, [
    ['certmill ceremony run root.yaml --dry-run', 'the rehearsal: says what would be made'],
    [
      'certmill ceremony run root.yaml --data root --approval root.yaml.alice.approval.json --approval root.yaml.bob.approval.json --passphrase alice=alice.pass --passphrase bob=bob.pass',
      'for good, on a machine without a network',
    ],
  ]);
}

function reportRehearsal(terminal: Terminal, file: string, result: CeremonyResult): void {
  const steps = result.entries.flatMap((entry) =>
    entry.kind === 'step'
      ? [
          {
            step: entry.step,
            do: entry.do,
            outputs: entry.outputs.map(({ path }) => path.replace(/^outputs\//, '')),
            changes: entry.effects.map(({ kind, path }) => `${kind} ${path}`),
          },
        ]
      : [],
  );
  terminal.report({ rehearsed: file, steps }, [
    `${file} was rehearsed; nothing was changed. It would`,
    ...result.entries.flatMap((entry) => {
      const step = entry.kind === 'begin' ? entry.ceremony.steps : [];
      return step.map((one, index) => `${String(index + 1)}. ${describeStep(one)}`);
    }),
    ...steps.flatMap(({ step, outputs, changes }) =>
      [...outputs.map((name) => `make ${name}`), ...changes].map(
        (what) => `   step ${String(step)}: ${what}`,
      ),
    ),
  ]);
}

function reportRun(terminal: Terminal, result: CeremonyResult): void {
  const { folder, transcriptFile, transcriptSha256 } = result;
  terminal.report({ folder, transcript: transcriptFile, sha256: transcriptSha256 }, [
    `the ceremony is done: ${folder}`,
    'SHA-256 of the transcript, to be read aloud:',
    spokenFingerprint(transcriptSha256),
    '',
    'next:',
    '  custodians take their shares away (*.share.json)',
    `  certmill ceremony witness ${transcriptFile} --key WITNESS.key`,
  ]);
}

function tell(terminal: Terminal, progress: CeremonyProgress): void {
  if (progress.kind === 'begun') {
    terminal.note(
      progress.isResumed ? `going on in ${progress.folder}` : `begun: ${progress.folder}`,
    );
  } else if (progress.kind === 'done') {
    terminal.note(`step ${String(progress.step)} (${progress.do}) is done`);
  }
}

/** A machine that makes keys has no network (FORBIDDEN), or whoever runs it says so. */
function assertNoNetwork(terminal: Terminal, isAllowed: boolean): void {
  const names = outwardInterfaces();
  if (names.length === 0) return;
  const text = `a network is up on this machine: ${names.join(', ')}`;
  if (!isAllowed) {
    throw new CertmillError(
      'FORBIDDEN',
      `${text}; take it down, or say --allow-network in a trial`,
    );
  }
  terminal.note(terminal.styleNote('yellow', `WARNING: ${text}. The transcript says so.`));
}

async function readApproval(file: string): Promise<Approval> {
  return parseApproval(await readText(file), file);
}

function heldFolder(directory: string): { readonly directory: string } & Disposable {
  const folder = takeDataFolder(directory);
  return { directory: folder.directory, [Symbol.dispose]: () => folder.release() };
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function collectPair(
  text: string,
  before: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const [, name, file] = /^([a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined)
    throw new InvalidArgumentError('expected NAME=FILE');
  return new Map([...before, [name, file]]);
}
