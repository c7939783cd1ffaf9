import { CertmillError } from '@certmill/domain';
import { openClient, type ServerOptions } from '../../client/server-options.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';

interface DemandOptions extends ServerOptions {
  readonly shard?: number;
  readonly delta?: boolean;
  readonly config?: string;
}

/** Has the server make new CRLs of an issuer; they are made after it has answered. */
export async function demandAtServer(
  terminal: Terminal,
  issuer: string,
  options: DemandOptions,
): Promise<void> {
  if (options.shard !== undefined || options.config !== undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      '--shard and --config are for a data folder at rest: a server makes all CRLs of the issuer, by its own configuration',
    );
  }
  const kind = options.delta === true ? 'delta' : 'full';
  const demanded = await openClient(terminal, options).demandCrls(issuer, kind);
  terminal.report(demanded, [
    `the server makes ${formatNumber(demanded.crls)} ${kind} CRLs of issuer ${demanded.issuer}`,
  ]);
}
