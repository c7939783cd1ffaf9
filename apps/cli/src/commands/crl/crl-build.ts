import { Command, Option } from 'commander';
import { CertmillError, isCertmillError } from '@certmill/domain';
import {
  assertMakesCrls,
  buildCrl,
  type BuiltCrl,
  type CrlKind,
  type CrlPolicy,
  type CrlPorts,
  crlsInForce,
  kindDue,
  replaceCrlsToCome,
  silentObserver,
} from '@certmill/pipeline';
import type { CrlScope } from '@certmill/ports';
import { takeDataFolder } from '@certmill/standalone/folder';
import { actorHere } from '../../audit/actor-here.js';
import { type ServerOptions, withServerInsteadOfFolder } from '../../client/server-options.js';
import { withExamples } from '../../terminal/program.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { demandAtServer } from './crl-build-at-server.js';
import { parseShard, type ScopeOptions, scopesOf } from './crl-scopes.js';

interface BuildOptions extends ScopeOptions, ServerOptions {
  readonly config?: string;
  readonly afterClockFault?: boolean;
}

export function buildCommand(terminal: Terminal): Command {
  const command = new Command('build')
    .description(
      'make CRLs now, in a data folder at rest, or with --server at a server, which also makes them by itself',
    )
    .argument('<issuer>', 'issuing CA')
    .option('--shard <number>', 'of this shard; default: of all', parseShard)
    .option(
      '--delta',
      'what changed since the full CRL; that is made first where it has ended or points to no delta',
    )
    .addOption(
      new Option(
        '--after-clock-fault',
        'the clock was ahead and is right now: put CRLs of now in the place of those that are to come',
      ).conflicts(['delta', 'server']),
    )
    .option('--config <file>', "the server's configuration: how long its CRLs are good for")
    .addOption(dataOption())
    .action(async (issuer: string, options: BuildOptions) => {
      if (options.server === undefined) await buildInFolder(terminal, issuer, options);
      else await demandAtServer(terminal, issuer, options);
    });
  return withExamples(withServerInsteadOfFolder(command), [
    ['certmill crl build devices', 'each shard'],
    ['certmill crl build devices --server http://127.0.0.1:8460', 'beside a server that runs'],
    [
      'certmill crl build devices --delta --config certmill.yaml',
      'what was revoked since; the configuration has crls.deltaLifetimeHours',
    ],
    ['certmill crl build devices --shard 3 --config certmill.yaml', 'one, as the server makes it'],
    ['certmill crl build devices --after-clock-fault', 'see docs/runbooks/clock-backwards.md'],
  ]);
}

async function buildInFolder(
  terminal: Terminal,
  issuer: string,
  options: BuildOptions,
): Promise<void> {
  const { openIssuance, readServeConfig } = await import('@certmill/standalone');
  const { crlPolicyOf } = await import('@certmill/platform');
  const config = { ...readServeConfig(options.config), data: options.data };
  const folder = takeFolderAtRest(options.data);
  try {
    const issuance = await openIssuance(folder, config, silentObserver);
    try {
      const { store, signer, services } = issuance;
      const ports = { revocations: store, crls: store, signer, clock: services.clock };
      const scopes = scopesOf(issuance.issuers, issuer, options.shard);
      for (const each of issuance.issuers) {
        if (each.name === issuer) assertMakesCrls(each, services.clock.nowMs());
      }
      const policy = crlPolicyOf(config.crls);
      const isReplacing = options.afterClockFault === true;
      const made = isReplacing
        ? await replaceCrlsToCome({ ...ports, audit: store }, policy, {
            scopes,
            actor: actorHere('crl build'),
          })
        : await buildEach(ports, policy, scopes, options.delta === true);
      terminal.report({ crls: made.map(viewOf) }, [summaryOf(made, issuer)]);
    } finally {
      await issuance.stop(5_000);
    }
  } finally {
    folder.release();
  }
}

function takeFolderAtRest(data: string): ReturnType<typeof takeDataFolder> {
  try {
    return takeDataFolder(data);
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'DATA_FOLDER_IN_USE') throw error;
    const message = `${error.message}; a server that runs there makes them with --server URL`;
    throw new CertmillError(error.code, message, { cause: error });
  }
}

async function buildEach(
  ports: CrlPorts,
  policy: CrlPolicy,
  scopes: readonly CrlScope[],
  isDelta: boolean,
): Promise<readonly BuiltCrl[]> {
  const made: BuiltCrl[] = [];
  for (const scope of scopes) {
    const kinds = isDelta ? await deltaWithBase(ports, policy, scope) : full;
    for (const kind of kinds) made.push(await buildCrl(ports, policy, scope, kind));
  }
  return made;
}

const full: readonly CrlKind[] = ['full'];

/** Nobody would look for a delta that the full CRL in force does not point to, or whose base has ended. */
async function deltaWithBase(
  { crls, clock }: Pick<CrlPorts, 'crls' | 'clock'>,
  policy: CrlPolicy,
  scope: CrlScope,
): Promise<readonly CrlKind[]> {
  if (policy.deltaLifetimeMs === undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      'a delta needs a --config with crls.deltaLifetimeHours: else no full CRL points to it, and the ' +
        'server makes no next one',
    );
  }
  const due = kindDue(policy, await crlsInForce(crls, scope), clock.nowMs());
  return due === 'full' ? ['full', 'delta'] : ['delta'];
}

function viewOf({ scope, kind, crlNumber, nextUpdateMs, entries, bytes }: BuiltCrl): object {
  const nextUpdate = new Date(nextUpdateMs).toISOString();
  return { ...scope, kind, crlNumber: String(crlNumber), nextUpdate, entries, bytes };
}

function summaryOf(made: readonly BuiltCrl[], issuer: string): string {
  const deltas = made.filter(({ kind }) => kind === 'delta').length;
  const entries = made.reduce((sum, crl) => sum + crl.entries, 0);
  return (
    `made ${formatNumber(made.length)} CRLs of issuer ${issuer}` +
    (deltas === 0 ? '' : `, ${formatNumber(deltas)} of them deltas`) +
    `, ${formatNumber(entries)} entries in all`
  );
}
