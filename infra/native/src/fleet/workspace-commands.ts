import { join } from 'node:path';
import { repositoryFolder } from '../package-folder.js';

/** A command of the workspace, by its name. */
export function commandFile(name: string): string {
  return join(repositoryFolder, 'node_modules', '.bin', name);
}

/** The commands bring the Node of the workspace. */
export function pathOfWorkspace(): Readonly<Record<string, string>> {
  const { PATH = '' } = process.env;
  return { PATH: `${join(repositoryFolder, 'node_modules', '.bin')}:${PATH}` };
}
