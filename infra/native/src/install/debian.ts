import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { installOnce } from '../cache/install-once.js';
import { findCommand } from '../process/find-command.js';
import { runCommand } from '../process/run-command.js';

export interface DebianPackage {
  readonly name: string;
  /** Packages that it needs in the same place, also where the system has them. */
  readonly together?: readonly string[];
  /** Programs of it that are to be called, without their folders. */
  readonly programs: readonly string[];
  /** What it is for, as in "Redis": for messages. */
  readonly purpose: string;
  /** What to install by hand where there is no apt. */
  readonly install: string;
}

export interface UnpackedPackage {
  readonly folder: string;
  /** For a process that loads a library from there: where the libraries are that came along. */
  readonly libraryPath: string;
  /** The path of one of the programs, which finds its libraries by itself. */
  readonly programFile: (name: string) => string;
}

const programFolders = ['usr/bin', 'usr/sbin', 'bin', 'sbin'] as const;

/**
 * Unpacks a package of this Debian or Ubuntu, and what it needs that is not on the system, into the
 * cache: no root needed. The version is the distribution's.
 */
export async function unpackDebian(wanted: DebianPackage): Promise<UnpackedPackage> {
  if (findCommand('apt-get') === undefined || findCommand('dpkg-deb') === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${wanted.purpose} is not here: install ${wanted.install}`,
    );
  }
  const packages = [wanted.name, ...(wanted.together ?? [])];
  const folder = await installOnce(`debian-${packages.join('-')}`, async (part) => {
    await unpackInto(part, packages, wanted);
    await mkdir(join(part, 'run'));
    const libraryPath = await libraryPathOf(part);
    for (const program of wanted.programs) await writeRunner(part, program, libraryPath);
  });
  return {
    folder,
    libraryPath: (await libraryPathOf(folder)).map((path) => join(folder, path)).join(':'),
    programFile: (name) => join(folder, 'run', name),
  };
}

async function unpackInto(
  folder: string,
  packages: readonly string[],
  wanted: DebianPackage,
): Promise<void> {
  const apt = join(folder, 'apt');
  const archives = join(apt, 'archives');
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const options = [
    ...['-o', `Dir::State::Lists=${join(apt, 'lists')}`],
    ...['-o', `Dir::Cache=${apt}`, '-o', `Dir::Cache::archives=${archives}`],
    // Nothing of the system is changed, so none of its locks is needed.
    ...['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=', '-qq'],
  ];
  await runCommand('apt-get', [...options, 'update'], wanted);
  const install = ['install', '--download-only', '--yes', '--reinstall', '--no-install-recommends'];
  await runCommand('apt-get', [...options, ...install, ...packages], wanted);
  for (const file of await readdir(archives)) {
    if (!file.endsWith('.deb')) continue;
    await runCommand('dpkg-deb', ['--extract', join(archives, file), folder], wanted);
  }
  await rm(apt, { recursive: true });
}

/** Debian keeps libraries in one folder per architecture. */
async function libraryPathOf(folder: string): Promise<readonly string[]> {
  const places: string[] = [];
  for (const parent of ['usr/lib', 'lib']) {
    if (!existsSync(join(folder, parent))) continue;
    const names = await readdir(join(folder, parent));
    places.push(
      ...names.filter((name) => name.includes('-linux-')).map((name) => join(parent, name)),
    );
  }
  return places;
}

/** The folder is renamed when it is whole: a runner finds it by its own place. */
async function writeRunner(
  folder: string,
  program: string,
  libraryPath: readonly string[],
): Promise<void> {
  const place = programFolders.find((candidate) => existsSync(join(folder, candidate, program)));
  if (place === undefined) {
    throw new CertmillError('CONFIG_INVALID', `there is no ${program} in its package`);
  }
  const libraries = libraryPath.map((path) => `$root/${path}`).join(':');
  const file = join(folder, 'run', program);
  await writeFile(
    file,
    [
      '#!/bin/sh',
      'root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)',
      `export LD_LIBRARY_PATH="${libraries}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
      'export PYTHONPATH="$root/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}"',
      `exec "$root/${place}/${program}" "$@"`,
      '',
    ].join('\n'),
  );
  await chmod(file, 0o755);
}
