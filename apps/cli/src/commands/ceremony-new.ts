import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { CertmillError, durationSeconds, isName } from '@certmill/domain';
import { newOperationId, parseQuorumPolicy } from '@certmill/trust/approvals';
import {
  draftCeremony,
  parseCeremony,
  participantRoles,
  type CeremonyFile,
  type Participant,
} from '@certmill/trust/ceremony';
import { inputPath } from '../ceremony/ceremony-inputs.js';
import { readBytes, readText } from '../read-input.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

interface NewOptions {
  readonly name?: string;
  readonly description: string;
  readonly participant: readonly WantedParticipant[];
  readonly approvals: number;
  readonly shares?: number;
  readonly witnesses: number;
  readonly from?: string;
  readonly within: string;
  readonly steps?: string;
  readonly quorum?: string;
}

interface WantedParticipant {
  readonly name: string;
  readonly roles: Participant['roles'];
  readonly keyFile: string;
  readonly encryptionKeyFile: string | undefined;
}

export function ceremonyNewCommand(terminal: Terminal): Command {
  const command = new Command('new')
    .description('write a ceremony file with comments, to be read and changed')
    .argument('<file>', 'YAML file to write; it must not be there')
    .requiredOption(
      '--participant <name=roles:key>',
      'NAME=ROLE+ROLE:PUBLIC-KEY.pem[:ENCRYPTION-KEY.pem]; repeat it for each person',
      collectParticipant,
      [],
    )
    .option('--name <name>', 'name of the ceremony; default: that of the file')
    .option('--description <text>', 'what it is for', 'A key ceremony.')
    .option('--approvals <n>', 'administrators who have to approve', count, 2)
    .option('--shares <n>', 'custodians who open a split key', count)
    .option('--witnesses <n>', 'witnesses who have to sign', count, 1)
    .option('--from <time>', 'begin of the time window, UTC; default: now')
    .option('--within <duration>', 'how long the window is', '7d')
    .option('--steps <file>', 'YAML list of steps; default: one that makes a root')
    .option('--quorum <file>', 'quorum.json of the data folder that it is for, where that has one')
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: NewOptions) => {
      const text = await draftOf(file, options);
      const { name, id } = parseCeremony(text, file);
      await writeNew(file, text);
      terminal.report({ file, name, id }, [
        `wrote ${file}: ceremony ${name}, id ${id}`,
        '',
        'next:',
        `  certmill ceremony check ${file}`,
      ]);
    });
  return withExamples(command, [
    [
      'certmill ceremony new root.yaml --participant alice=administrator+custodian:alice.pub --participant bob=administrator+custodian:bob.pub --participant carol=witness:carol.pub --shares 2',
      'a root whose key alice and bob hold together, carol watches',
    ],
    [
      'certmill ceremony new issuers.yaml --steps steps.yaml --participant ...',
      'the steps of steps.yaml; hashes of the files that they take in are filled in',
    ],
  ]);
}

async function draftOf(file: string, options: NewOptions): Promise<string> {
  const fromMs = options.from === undefined ? Date.now() : Date.parse(options.from);
  const toMs = fromMs + durationSeconds(options.within) * 1_000;
  if (Number.isNaN(toMs)) {
    throw new CertmillError(
      'INVALID_INPUT',
      '--from is a time such as 2026-12-01T09:00:00Z, --within a duration such as 7d',
    );
  }
  return draftCeremony(
    {
      name: options.name ?? basename(file).replace(/\.ya?ml$/, ''),
      id: newOperationId(),
      description: options.description,
      ...(await installationIn(options)),
      window: { notBefore: instantOf(fromMs), notAfter: instantOf(toMs) },
      participants: await Promise.all(options.participant.map(readParticipant)),
      quorum: {
        approvals: options.approvals,
        ...(options.shares === undefined ? {} : { shares: options.shares }),
        witnesses: options.witnesses,
      },
      ...(options.steps === undefined ? {} : { stepsYaml: await readText(options.steps) }),
      stepsFileName: options.steps ?? 'the steps',
    },
    async (input) => hash('sha256', await readBytes(inputPath(file, input)), 'hex'),
  );
}

async function installationIn({ quorum }: NewOptions): Promise<Pick<CeremonyFile, 'installation'>> {
  if (quorum === undefined) return {};
  const { installation } = parseQuorumPolicy(await readText(quorum), quorum);
  return { installation };
}

async function readParticipant(wanted: WantedParticipant): Promise<Participant> {
  const { name, roles, keyFile, encryptionKeyFile } = wanted;
  return {
    name,
    roles,
    publicKey: await readText(keyFile),
    ...(encryptionKeyFile === undefined
      ? {}
      : { encryptionKey: await readText(encryptionKeyFile) }),
  };
}

function collectParticipant(
  text: string,
  before: readonly WantedParticipant[],
): readonly WantedParticipant[] {
  const [, name = '', roleList = '', keyFile = '', encryptionKeyFile] =
    /^([^=]+)=([^:]+):([^:]+)(?::([^:]+))?$/.exec(text) ?? [];
  const roles = roleList.split('+');
  const isKnown = roles.every((role) => (participantRoles as readonly string[]).includes(role));
  if (!isName(name) || !isKnown) {
    throw new InvalidArgumentError(
      `expected NAME=ROLE+ROLE:KEY.pem with roles of ${participantRoles.join(', ')}`,
    );
  }
  return [...before, { name, roles: roles as Participant['roles'], keyFile, encryptionKeyFile }];
}

function count(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('expected a number of people');
  return Number(text);
}

function instantOf(ms: number): string {
  return new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace('.000Z', 'Z');
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    throw new CertmillError('CONFLICT', `${file} is there, or cannot be written`, { cause });
  }
}
