import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { keyFingerprint, parseQuorumPolicy, participantKeyOf } from '@certmill/trust/approvals';
import {
  parseTranscript,
  parseWitnessSignature,
  verifyTranscript,
  witnessFileEnding,
  witnessTranscript,
  type VerifyOptions,
  type WitnessSignature,
} from '@certmill/trust/ceremony';
import { spokenFingerprint } from '../ceremony/ceremony-inputs.js';
import { readText } from '../read-input.js';
import { writeResult } from '../result-file.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { readSigningKey, withSigningKey, type SigningKeyOptions } from '../ceremony/signing-key.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

export function ceremonyWitnessCommand(terminal: Terminal): Command {
  const command = new Command('witness')
    .description('sign the transcript of a ceremony as its witness or auditor')
    .argument('<transcript>', 'transcript.json of the ceremony')
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: SigningKeyOptions) => {
      const key = await readSigningKey(terminal, options);
      const transcript = parseTranscript(await readText(file), file);
      const signature = witnessTranscript(transcript, key, Date.now());
      const out = join(dirname(file), `${signature.witness}${witnessFileEnding}`);
      await writeResult(out, `${JSON.stringify(signature, undefined, 2)}\n`);
      terminal.report({ signature: out, witness: signature.witness, sha256: transcript.sha256 }, [
        `${signature.witness} signed the transcript: ${out}`,
        'SHA-256 of the transcript, to be read aloud:',
        spokenFingerprint(transcript.sha256),
      ]);
    });
  return withExamples(withSigningKey(command), [
    [
      'certmill ceremony witness ceremonies/root-0a1b2c3d/transcript.json --key carol.key --passphrase-file carol.pass',
      'writes carol.witness.json beside it',
    ],
  ]);
}

export function ceremonyVerifyCommand(terminal: Terminal): Command {
  const command = new Command('verify')
    .description('verify a ceremony from its folder: chain, approvals, files, witnesses; offline')
    .argument('<transcript>', 'transcript.json of the ceremony')
    .option(
      '--trust-key <file>',
      'public key of somebody you know; for each who signed',
      collect,
      [],
    )
    .option('--quorum <file>', 'quorum.json whose people you know, from a copy of your own')
    .option('--unproved', 'succeed though nobody is trusted: what fits together may be forged')
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: VerifyCommandOptions) => {
      const trust = await trustOf(options);
      const verdict = await verifyTranscript(file, await signaturesBeside(file), trust);
      const { transcript, witnesses, auditors, signers, filesChecked, handedOut, left } = verdict;
      const areTrusted = trust.trustedKeys !== undefined;
      if (!areTrusted && options.unproved !== true) terminal.exitCode = exitCodes.notProved;
      const { begin, ceremony, sha256 } = transcript;
      const { software, machine } = begin;
      terminal.report(
        {
          ...{
            name: ceremony.name,
            id: ceremony.id,
            sha256,
            witnesses,
            auditors,
            software,
            machine,
          },
          ...{
            signers,
            areTrusted,
            filesChecked,
            handedOut,
            sharesLeft: left,
            steps: ceremony.steps.length,
            begun: begin.at,
          },
        },
        [
          areTrusted
            ? `ceremony ${ceremony.name} of ${begin.at} is sound`
            : `NOT PROVED: ceremony ${ceremony.name} of ${begin.at} fits together, and may be forged`,
          `${String(ceremony.steps.length)} steps, approved by ` +
            begin.approvals.map(({ approver }) => approver).join(', '),
          `witnesses ${witnesses.join(', ') || '-'}; auditors ${auditors.join(', ') || '-'}`,
          `${String(filesChecked)} files are as recorded, ${String(handedOut)} shares were handed out`,
          ...left.map(
            (file) => `WARNING: a share lies here still, its custodian is to take it: ${file}`,
          ),
          `certmill ${software.version}, code ${software.codeSha256.slice(0, 16)} of ` +
            `${String(software.packages.length)} packages, node ${software.nodeSha256.slice(0, 16)}; ` +
            `${String(machine.networkInterfaces)} network interfaces were up`,
          '',
          ...signers.map(
            ({ name, part, keySha256 }) => `${name} ${part} with the key ${keySha256}`,
          ),
          areTrusted
            ? 'all of these keys are trusted'
            : 'whose keys these are, only the transcript says: give --quorum FILE, --trust-key FILE',
        ],
      );
    });
  return withExamples(command, [
    [
      'certmill ceremony verify ceremonies/root-0a1b2c3d/transcript.json --trust-key alice.pub.pem --trust-key bob.pub.pem --trust-key carol.pub.pem',
      'for an auditor, who knows the three by their keys',
    ],
    [
      'certmill ceremony verify ceremonies/crl-4e5f6a7b/transcript.json --quorum quorum.json --trust-key carol.pub.pem',
      'for one who has kept quorum.json of that folder, and the key of the witness',
    ],
  ]);
}

interface TrustOptions {
  readonly trustKey: readonly string[];
  readonly quorum?: string;
}

interface VerifyCommandOptions extends TrustOptions {
  readonly unproved?: boolean;
}

/** Whom the one who verifies knows; nobody where nothing is given. */
async function trustOf({
  trustKey,
  quorum,
}: TrustOptions): Promise<Pick<VerifyOptions, 'trustedKeys' | 'installation'>> {
  const keys = await Promise.all(trustKey.map(fingerprintIn));
  if (quorum === undefined) return keys.length === 0 ? {} : { trustedKeys: new Set(keys) };
  const { installation, approvers } = parseQuorumPolicy(await readText(quorum), quorum);
  const known = approvers.map(({ publicKey }) => keyFingerprint(participantKeyOf(publicKey)));
  return { trustedKeys: new Set([...keys, ...known]), installation };
}

async function fingerprintIn(file: string): Promise<string> {
  return keyFingerprint(participantKeyOf(await readText(file)));
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function signaturesBeside(transcriptFile: string): Promise<readonly WitnessSignature[]> {
  const folder = dirname(transcriptFile);
  const names = (await readdir(folder)).filter((name) => name.endsWith(witnessFileEnding)).sort();
  return Promise.all(
    names.map(async (name) => parseWitnessSignature(await readText(join(folder, name)), name)),
  );
}
