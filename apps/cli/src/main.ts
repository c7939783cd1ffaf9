import { readFileSync } from 'node:fs';
import { profileCommand } from './commands/profile.js';
import { createProgram, type CommandFactory } from './terminal/program.js';
import { run } from './terminal/run.js';
import { endQuietlyOnBrokenPipe, stopSignal } from './terminal/signals.js';
import { Terminal } from './terminal/terminal.js';

/** In the order in which help shows them. */
const commands: readonly CommandFactory[] = [profileCommand];

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { readonly version: string };

endQuietlyOnBrokenPipe();
const terminal: Terminal = new Terminal(
  process,
  stopSignal(() => terminal.restore()),
);
process.exitCode = await run(createProgram(terminal, version, commands), terminal, process.argv);
