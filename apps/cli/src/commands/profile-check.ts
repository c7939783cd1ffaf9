import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { CertmillError, profileHash, type Profile } from '@certmill/domain';
import {
  admitProfile,
  assertFitsIssuer,
  createHierarchy,
  lintJitpTemplate,
  type LintFinding,
  loadIssuer,
} from '@certmill/trust';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';
import { readProfileFile } from './profile-file.js';

interface CheckOptions {
  readonly issuer?: string;
  readonly data: string;
  readonly jitpTemplate?: string;
}

/** Local: what the server would say to `profile add`, without one. */
export function profileCheckCommand(terminal: Terminal): Command {
  const command = new Command('check')
    .description('check a profile file and the certificates that it makes; no server needed')
    .argument('<file>', 'profile in YAML')
    .option('--issuer <name>', 'an issuer of the data folder to check it against')
    .addOption(dataOption())
    .option('--jitp-template <file>', "the customer's AWS provisioning template, in JSON")
    .option('--json', 'print one JSON object')
    .action(async (file: string, options: CheckOptions) => {
      const { profile } = await readProfileFile(file);
      const samples =
        options.issuer === undefined
          ? await samplesUnderAnyIssuer(profile)
          : await samplesUnder(profile, options.data, options.issuer);
      if (options.jitpTemplate !== undefined) await checkTemplate(profile, options.jitpTemplate);
      const { name, version } = profile;
      const hash = profileHash(profile);
      const issuer = options.issuer === undefined ? {} : { issuer: options.issuer };
      terminal.report({ file, name, version, hash, ...issuer, samples }, [
        `${file}: profile ${name}, version ${version}, is good` +
          (options.issuer === undefined ? '' : ` under ${options.issuer}`),
        `${samples.length} sample certificates lint clean: ${samples.join('; ')}`,
        `hash ${hash}`,
      ]);
    });
  return withExamples(command, [
    ['certmill profile check gateway.yaml', 'name each line that is wrong'],
    ['certmill profile check gateway.yaml --issuer line-7', 'under an issuer of the data folder'],
    [
      'certmill profile check thing.yaml --jitp-template jitp.json',
      'has the subject all that AWS IoT will ask for?',
    ],
    ['certmill profile check gateway.yaml --json', 'the same for a script'],
  ]);
}

/** Issues samples under a hierarchy that is gone afterwards; PROFILE_INVALID names broken rules. */
async function samplesUnderAnyIssuer(profile: Profile): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'certmill-check-'));
  const nowMs = Date.now();
  try {
    const passphrase = randomBytes(16).toString('hex');
    const issuer = await createHierarchy({ name: 'sample', directory, passphrase, nowMs });
    return (await admitProfile(profile, issuer, nowMs)).map(({ label }) => label);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The same as an issuer of the folder would; its key is not needed. */
async function samplesUnder(profile: Profile, data: string, name: string): Promise<string[]> {
  const issuer = await loadIssuer(data, name);
  assertFitsIssuer(profile, issuer);
  return (await admitProfile(profile, issuer, Date.now())).map(({ label }) => label);
}

async function checkTemplate(profile: Profile, file: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
  const findings = lintJitpTemplate(profile, text);
  refuseWith(profile, `makes certificates that ${file} cannot be filled from`, findings);
}

function refuseWith(profile: Profile, what: string, findings: readonly LintFinding[]): void {
  if (findings.length === 0) return;
  const lines = findings.map(({ clause, detail }) => `  ${clause}: ${detail}`);
  throw new CertmillError(
    'PROFILE_INVALID',
    [`profile ${profile.name} ${what}:`, ...lines].join('\n'),
  );
}
