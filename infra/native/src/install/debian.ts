import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { installOnce } from '../cache/install-once.js';
import { findCommand } from '../process/find-command.js';
import { runCommand } from '../process/run-command.js';

export interface UnpackedPackages {
  readonly folder: string;
  /** For programs from there: the libraries that came along. */
  readonly libraryPath: string;
}

/**
 * Unpacks packages of this Debian or Ubuntu, and what they need that is not on the system, into the
 * cache: no root needed. The version is the distribution's. `install` says what to do by hand.
 */
export async function unpackDebian(
  packages: readonly string[],
  purpose: string,
  install: string,
): Promise<UnpackedPackages> {
  if (findCommand('apt-get') === undefined || findCommand('dpkg-deb') === undefined) {
    throw new CertmillError('CONFIG_INVALID', `${purpose} is not here: install ${install}`);
  }
  const folder = await installOnce(`debian-${packages.join('-')}`, async (part) => {
    const apt = join(part, '.apt');
    const archives = join(apt, 'archives');
    await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
    await mkdir(join(archives, 'partial'), { recursive: true });
    const options = [
      ...['-o', `Dir::State::Lists=${join(apt, 'lists')}`],
      ...['-o', `Dir::Cache=${apt}`, '-o', `Dir::Cache::archives=${archives}`],
      // Nothing of the system is changed, so none of its locks is needed.
      ...['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=', '-qq'],
    ];
    await runCommand('apt-get', [...options, 'update'], { purpose, install });
    await runCommand(
      'apt-get',
      [
        ...[...options, 'install', '--download-only', '--yes', '--reinstall'],
        ...['--no-install-recommends', ...packages],
      ],
      { purpose, install },
    );
    for (const file of await readdir(archives)) {
      if (!file.endsWith('.deb')) continue;
      await runCommand('dpkg-deb', ['--extract', join(archives, file), part], { purpose, install });
    }
    await rm(apt, { recursive: true });
  });
  return { folder, libraryPath: await libraryPathOf(folder) };
}

/** Debian keeps libraries in one folder per architecture. */
async function libraryPathOf(folder: string): Promise<string> {
  const places: string[] = [];
  for (const parent of [join(folder, 'usr', 'lib'), join(folder, 'lib')]) {
    if (!existsSync(parent)) continue;
    const names = await readdir(parent);
    places.push(
      ...names.filter((name) => name.includes('-linux-')).map((name) => join(parent, name)),
    );
  }
  return places.join(':');
}
