import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { noteInFolder } from '@certmill/standalone/folder';
import type { Terminal } from '../terminal/terminal.js';
import { actorHere } from './actor-here.js';
import {
  commandNameOf,
  foldersOf,
  parametersOf,
  type CommandParameters,
} from './command-parameters.js';
import { noteOf } from './note-of.js';

/** A command that stands in the audit trail of its data folders. */
export interface RecordedCommand extends CommandParameters {
  /** Options that name data folders beside `data`. */
  readonly folders?: readonly string[];
  /** Whether it changes anything with these options; absent: always. */
  isChange?(options: Readonly<Record<string, unknown>>): boolean;
}

/**
 * Notes a command in the audit trail of each of its data folders: `<command>.begun` with what was asked
 * for, before anything is done, where the folder holds CAs already; `<command>.ended` with what came of
 * it. One that failed or was killed has the first only.
 */
export function recordCommand(
  terminal: Terminal,
  command: Command,
  recorded: RecordedCommand,
): Command {
  const isChange = (): boolean => recorded.isChange?.(command.opts()) ?? true;
  const note = (folder: string, what: 'begun' | 'ended', detail: object): Promise<void> => {
    const name = commandNameOf(command);
    const action = `${name.replaceAll(' ', '.')}.${what}`;
    return noteInFolder(folder, { actor: actorHere(name), action, detail: noteOf(detail) });
  };
  return command
    .hook('preAction', async () => {
      if (!isChange()) return;
      const asked = await parametersOf(command, recorded);
      for (const folder of foldersOf(command, recorded.folders)) {
        if (existsSync(join(folder, 'ca'))) await note(folder, 'begun', asked);
      }
    })
    .hook('postAction', async () => {
      if (!isChange()) return;
      for (const folder of foldersOf(command, recorded.folders)) {
        await note(folder, 'ended', terminal.result ?? {});
      }
    });
}
