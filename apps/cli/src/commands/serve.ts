import { Command, Option } from 'commander';
import { once } from 'node:events';
import { readServeConfig, serve, type ServeConfig } from '@certmill/standalone';
import { ensureHierarchy } from '../hierarchy.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

interface ServeOptions {
  readonly role: string;
  readonly config?: string;
  readonly data?: string;
  readonly port?: string;
  readonly checkConfig?: true;
}

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .description('run the server: all roles in this process, on loopback unless configured')
    .addOption(new Option('--role <role>', 'role to run').choices(['all']).default('all'))
    .option('--config <file>', 'configuration in YAML or JSON')
    .addOption(
      new Option('--data <dir>', 'data folder; wins over the configuration').env('CERTMILL_DATA'),
    )
    .option('--port <port>', 'port; wins over the configuration')
    .option('--check-config', 'check the configuration and end')
    .action(async (options: ServeOptions) => {
      const config = configOf(options);
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
        if (!terminal.signal.aborted) await once(terminal.signal, 'abort');
        terminal.note('stopping: finishing what is in hand');
      } finally {
        await server.stop();
      }
    });
  return withExamples(command, [
    ['certmill serve', 'all roles on http://127.0.0.1:8460, data in ./certmill-data'],
    ['certmill serve --config certmill.yaml --check-config', 'name each line that is wrong'],
  ]);
}

function configOf(options: ServeOptions): ServeConfig {
  const config = readServeConfig(options.config);
  return {
    ...config,
    data: options.data ?? config.data,
    http: { ...config.http, ...(options.port === undefined ? {} : { port: Number(options.port) }) },
  };
}
