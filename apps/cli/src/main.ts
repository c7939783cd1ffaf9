import { readFileSync } from 'node:fs';
import { commands } from './commands.js';
import { createProgram } from './terminal/program.js';
import { run } from './terminal/run.js';
import { endAtLast, endQuietlyOnBrokenPipe, stopSignal } from './terminal/signals.js';
import { Terminal } from './terminal/terminal.js';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { readonly version: string };

endQuietlyOnBrokenPipe();
const terminal: Terminal = new Terminal(
  process,
  stopSignal(() => terminal.restore()),
);
const program = await createProgram(terminal, version, commands, process.argv[2]);
process.exitCode = await run(program, terminal, process.argv);
endAtLast();
