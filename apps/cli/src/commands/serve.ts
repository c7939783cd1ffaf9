import { Command, Option } from 'commander';
import { once } from 'node:events';
import type { ServeConfig } from '@certmill/standalone';
import type { Role } from '@certmill/fleet';
import { CertmillError } from '@certmill/domain';
import { ensureHierarchy } from '../hierarchy.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

const fleetRoles: readonly Role[] = ['ingest', 'validate', 'sign', 'publish', 'status'];

interface ServeOptions {
  readonly role: 'all' | Role;
  readonly config?: string;
  readonly data?: string;
  readonly port?: string;
  readonly checkConfig?: true;
}

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .description(
      'run the server: all roles in this process on a data folder, or one service of a fleet',
    )
    .addOption(
      new Option('--role <role>', 'all: no servers needed; one: over Kafka and MongoDB')
        .choices(['all', ...fleetRoles])
        .default('all'),
    )
    .option('--config <file>', 'configuration in YAML or JSON')
    .addOption(
      new Option('--data <dir>', 'data folder; wins over the configuration').env('CERTMILL_DATA'),
    )
    .option('--port <port>', 'port; wins over the configuration')
    .option('--check-config', 'check the configuration and end')
    .action(async (options: ServeOptions) => {
      if (options.role !== 'all') {
        await serveRole(terminal, options.role, options);
        return;
      }
      const { readServeConfig, serve } = await import('@certmill/standalone');
      const config = configOf(options, readServeConfig(options.config));
      if (options.checkConfig === true) {
        terminal.say('the configuration is good');
        return;
      }
      await ensureHierarchy(terminal, config.data);
      const server = await serve(config);
      try {
        terminal.say(`certmill serves at ${terminal.style('bold', server.url)}`);
        const first = await server.openFirstCredential();
        if (first !== undefined) {
          const { tenant, key } = first;
          terminal.say(`first credential (tenant ${tenant}, role admin), shown this once:`);
          terminal.say(`  ${key}`);
        }
        terminal.say('OpenAPI at /openapi.json, metrics at /metrics; Ctrl-C stops it');
        const stopped = terminal.signal.aborted ? undefined : once(terminal.signal, 'abort');
        await Promise.race([stopped, server.issuance.failed]);
      } finally {
        terminal.note('stopping: finishing what is in hand');
        await server.stop();
      }
    });
  return withExamples(command, [
    ['certmill serve', 'all roles on http://127.0.0.1:8460, data in ./certmill-data'],
    ['certmill serve --config certmill.yaml --check-config', 'name each line that is wrong'],
    ['certmill serve --role sign --config fleet.yaml', 'one service of a fleet'],
  ]);
}

/** One service of a fleet, as its own program runs it: docs/fleet.md. */
async function serveRole(
  terminal: Terminal,
  role: Role,
  { config: file, data, port, checkConfig }: ServeOptions,
): Promise<void> {
  if (file === undefined || data !== undefined || port !== undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `--role ${role} takes its settings from --config FILE alone, see 'certmill serve --help'`,
    );
  }
  const { checkRole, readFleetConfig, runService } = await import('@certmill/fleet');
  const config = readFleetConfig(file);
  if (checkConfig === true) {
    await checkRole(role, config, file);
    terminal.say(`the configuration is good for ${role}; no server was asked`);
    return;
  }
  const service = await runService(role, config, {
    configFile: file,
    signal: terminal.signal,
    onOperations: (url) => terminal.say(`probes and metrics at ${url}`),
  });
  terminal.say(
    `certmill ${role} is ready${service.url === undefined ? '' : ` at ${terminal.style('bold', service.url)}`}`,
  );
  try {
    const stopped = terminal.signal.aborted ? Promise.resolve() : once(terminal.signal, 'abort');
    await Promise.race([stopped, service.failed]);
  } finally {
    terminal.note('stopping: finishing what is in hand');
    await service.stop();
  }
}

function configOf(options: ServeOptions, config: ServeConfig): ServeConfig {
  return {
    ...config,
    data: options.data ?? config.data,
    http: { ...config.http, ...(options.port === undefined ? {} : { port: Number(options.port) }) },
  };
}
