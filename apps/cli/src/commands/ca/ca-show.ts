import { Command } from 'commander';
import { boundToTenants, loadAuthorities, type ServingIssuer } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import { tableLines } from '../../terminal/table.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { count } from './ca-options.js';
import { authorityView, lifeOf, stateOf } from './ca-view.js';

interface ShowOptions {
  readonly data: string;
  readonly config?: string;
  readonly under?: string;
  readonly limit: number;
  readonly after?: string;
}

export function showCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('show the CAs of the data folder')
    .argument('[name]', 'a CA, or the begin of names with * behind it')
    .addOption(dataOption())
    .option('--config <file>', 'configuration of the server: shows the tenants of each issuer')
    .option('--under <ca>', 'only those that this CA signed')
    .option('--limit <n>', 'so many at most', count, 100)
    .option('--after <name>', 'those behind it: the next page')
    .option('--json', 'print one JSON object')
    .action(async (name: string | undefined, options: ShowOptions) => {
      const { data, config } = options;
      const told = config !== undefined;
      const matching = (await authoritiesOf(data, config)).filter((ca) =>
        isWanted(ca, name, options),
      );
      const page = matching.slice(0, options.limit);
      const tenantsOf = (ca: ServingIssuer): string =>
        ca.role === 'issuing' ? (ca.tenants?.join(' ') ?? 'all') : '-';
      const rows = page.map((ca) => [
        ca.name,
        ca.role,
        ca.keyType,
        lifeOf(ca),
        stateOf(ca),
        ...(told ? [tenantsOf(ca)] : []),
        ca.subject,
      ]);
      const head = [
        ...['name', 'role', 'key', 'valid until', 'state'],
        ...(told ? ['tenants'] : []),
        'subject',
      ];
      const left = matching.length - page.length;
      const last = page.at(-1)?.name ?? '';
      terminal.report(
        {
          authorities: page.map((ca) => ({
            ...authorityView(ca),
            ...(told && ca.role === 'issuing' ? { tenants: ca.tenants ?? 'all' } : {}),
          })),
          ...(left > 0 ? { left, next: last } : {}),
        },
        page.length === 0
          ? [name === undefined ? 'no CA yet: certmill ca init' : 'no such CA']
          : [
              ...tableLines(head, rows),
              ...(left > 0 ? [`${String(left)} more: --after ${last}`] : []),
            ],
      );
    });
  return withExamples(command, [
    ['certmill ca show --json', 'for a script'],
    ['certmill ca show --config certmill.yaml', 'which tenants each issuer serves'],
    ["certmill ca show 'line-*' --under oem --limit 20", 'some of thousands'],
  ]);
}

/** Root and intermediates serve nobody; of the issuing CAs the configuration says whom. */
async function authoritiesOf(
  data: string,
  config: string | undefined,
): Promise<readonly ServingIssuer[]> {
  const all = await loadAuthorities(data);
  if (config === undefined) return all;
  const { readServeConfig } = await import('@certmill/standalone');
  const { issuers: configured } = readServeConfig(config);
  const issuing = all.filter(({ role }) => role === 'issuing');
  const bound = new Map(
    boundToTenants(issuing, configured, data).map((issuer) => [issuer.name, issuer]),
  );
  return all.map((ca) => bound.get(ca.name) ?? ca);
}

function isWanted(
  ca: ServingIssuer,
  name: string | undefined,
  { under, after }: ShowOptions,
): boolean {
  // Names are in order but for the root, which is first.
  if (after !== undefined && (ca.role === 'root' || (after !== 'root' && ca.name <= after))) {
    return false;
  }
  if (under !== undefined && ca.parent !== under) return false;
  if (name === undefined) return true;
  return name.endsWith('*') ? ca.name.startsWith(name.slice(0, -1)) : ca.name === name;
}
