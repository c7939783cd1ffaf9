import { readFileSync } from 'node:fs';
import { benchCommand } from './commands/bench.js';
import { caCommand } from './commands/ca.js';
import { demoCommand } from './commands/demo.js';
import { issueCommand } from './commands/issue.js';
import { serveCommand } from './commands/serve.js';
import { cancelCommand } from './commands/cancel.js';
import { deviceCommand } from './commands/device.js';
import { fetchCommand } from './commands/fetch.js';
import { orderCommand } from './commands/order.js';
import { profileCommand } from './commands/profile.js';
import { submitCommand } from './commands/submit.js';
import { tenantCommand } from './commands/tenant.js';
import { watchCommand } from './commands/watch.js';
import { createProgram, type CommandFactory } from './terminal/program.js';
import { run } from './terminal/run.js';
import { endQuietlyOnBrokenPipe, stopSignal } from './terminal/signals.js';
import { Terminal } from './terminal/terminal.js';

/** In the order in which help shows them. */
const commands: readonly CommandFactory[] = [
  demoCommand,
  issueCommand,
  serveCommand,
  caCommand,
  benchCommand,
  submitCommand,
  watchCommand,
  fetchCommand,
  cancelCommand,
  orderCommand,
  deviceCommand,
  profileCommand,
  tenantCommand,
];

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { readonly version: string };

endQuietlyOnBrokenPipe();
const terminal: Terminal = new Terminal(
  process,
  stopSignal(() => terminal.restore()),
);
process.exitCode = await run(createProgram(terminal, version, commands), terminal, process.argv);
