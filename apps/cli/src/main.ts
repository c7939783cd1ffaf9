import { readFileSync } from 'node:fs';
import { createProgram, type CommandLoader } from './terminal/program.js';
import { run } from './terminal/run.js';
import { endAtLast, endQuietlyOnBrokenPipe, stopSignal } from './terminal/signals.js';
import { Terminal } from './terminal/terminal.js';

/** In the order in which help shows them. Only the one that is called is loaded. */
const commands: Readonly<Record<string, CommandLoader>> = {
  demo: async () => (await import('./commands/demo.js')).demoCommand,
  issue: async () => (await import('./commands/issue.js')).issueCommand,
  serve: async () => (await import('./commands/serve.js')).serveCommand,
  fleet: async () => (await import('./commands/fleet.js')).fleetCommand,
  ca: async () => (await import('./commands/guarded-ca.js')).guardedCaCommand,
  crl: async () => (await import('./commands/crl/crl.js')).crlCommand,
  ceremony: async () => (await import('./commands/ceremony.js')).ceremonyCommand,
  revoke: async () => (await import('./commands/guarded-revoke.js')).guardedRevokeCommand,
  mass: async () => (await import('./commands/mass.js')).massCommand,
  audit: async () => (await import('./commands/audit.js')).auditCommand,
  backup: async () => (await import('./commands/backup.js')).backupCommand,
  restore: async () => (await import('./commands/backup.js')).restoreCommand,
  migrate: async () => (await import('./commands/migrate.js')).migrateCommand,
  'verify-store': async () => (await import('./commands/verify-store.js')).verifyStoreCommand,
  inspect: async () => (await import('./commands/inspect.js')).inspectCommand,
  verify: async () => (await import('./commands/verify.js')).verifyCommand,
  bench: async () => (await import('./commands/bench.js')).benchCommand,
  plan: async () => (await import('./commands/plan.js')).planCommand,
  submit: async () => (await import('./commands/submit.js')).submitCommand,
  watch: async () => (await import('./commands/watch.js')).watchCommand,
  fetch: async () => (await import('./commands/fetch.js')).fetchCommand,
  cancel: async () => (await import('./commands/cancel.js')).cancelCommand,
  'dead-letters': async () => (await import('./commands/dead-letters.js')).deadLettersCommand,
  dlq: async () => (await import('./commands/dlq.js')).dlqCommand,
  order: async () => (await import('./commands/order.js')).orderCommand,
  device: async () => (await import('./commands/device.js')).deviceCommand,
  calendar: async () => (await import('./commands/calendar.js')).calendarCommand,
  profile: async () => (await import('./commands/profile.js')).profileCommand,
  tenant: async () => (await import('./commands/tenant.js')).tenantCommand,
};

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
