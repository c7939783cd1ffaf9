import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { profileHash, type Profile } from '@certmill/domain';
import { admitProfile, createHierarchy } from '@certmill/trust';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { readProfileFile } from './profile-file.js';

/** Local: what the server would say to `profile add`, without one. */
export function profileCheckCommand(terminal: Terminal): Command {
  const command = new Command('check')
    .description('check a profile file and the certificates that it makes; no server needed')
    .argument('<file>', 'profile in YAML')
    .option('--json', 'print one JSON object')
    .action(async (file: string) => {
      const { profile } = await readProfileFile(file);
      const samples = await lintedSamples(profile);
      const hash = profileHash(profile);
      terminal.report({ file, name: profile.name, version: profile.version, hash, samples }, [
        `${file}: profile ${profile.name}, version ${profile.version}, is good`,
        `${samples.length} sample certificates lint clean: ${samples.join('; ')}`,
        `hash ${hash}`,
      ]);
    });
  return withExamples(command, [
    ['certmill profile check gateway.yaml', 'name each line that is wrong'],
    ['certmill profile check gateway.yaml --json', 'the same for a script'],
  ]);
}

/** Issues samples under a hierarchy that is gone afterwards; PROFILE_INVALID names broken rules. */
async function lintedSamples(profile: Profile): Promise<string[]> {
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
