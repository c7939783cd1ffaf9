import { Command, InvalidArgumentError } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { orderLines } from './order-lines.js';

const dayMs = 86_400_000;
const defaultDays = 90;

interface CreateOptions extends ServerOptions {
  readonly profile: string;
  readonly quota: number;
  readonly issuer?: string;
  readonly expires?: string;
  readonly anyDevice?: boolean;
  readonly renews?: boolean;
}

export function orderCreateCommand(terminal: Terminal): Command {
  const command = new Command('create')
    .description('open an order')
    .argument('<order>', 'its name: lower-case letters, digits, hyphens')
    .requiredOption('--profile <name>', 'profile of its certificates, pinned now')
    .requiredOption('--quota <number>', 'certificates at most', parseQuota)
    .option('--issuer <name>', "issuing CA (default: the server's)")
    .option('--expires <date>', 'last moment, ISO 8601', parseDate)
    .option('--any-device', 'ask for no allow-list: any device may have a certificate')
    .option('--renews', 'replace the certificates that devices hold under this profile name')
    .addHelpText('after', `\nWithout --expires an order lasts ${defaultDays} days.`)
    .action(async (orderId: string, options: CreateOptions) => {
      using client = openClient(terminal, options);
      const order = await client.createOrder({
        orderId,
        profile: options.profile,
        quota: options.quota,
        ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
        expiresAt: options.expires ?? new Date(Date.now() + defaultDays * dayMs).toISOString(),
        requiresAllowList: options.anyDevice !== true,
        ...(options.renews === true ? { renews: true } : {}),
      });
      terminal.report(order, [
        ...orderLines(order),
        '',
        'next:',
        ...(order.requiresAllowList ? [`  certmill device import ${orderId} devices.csv`] : []),
        `  certmill submit ./my-csrs --order ${orderId} --watch`,
      ]);
    });
  return withExamples(withServerOptions(command), [
    [
      'certmill order create spring-run --profile idevid --quota 50000',
      'at most 50,000 IDevIDs, for devices on an allow-list',
    ],
    [
      'certmill order create lab --profile tls-client --quota 100 --any-device --expires 2027-01-31',
      'for any device',
    ],
    [
      'certmill order create renewal-27 --profile ldevid --quota 50000 --renews',
      'a device that holds a certificate of the profile gets one in its place',
    ],
  ]);
}

function parseQuota(text: string): number {
  const quota = Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(quota) || quota < 1) {
    throw new InvalidArgumentError('not a whole number above 0');
  }
  return quota;
}

/** A day alone means its end in UTC. */
function parseDate(text: string): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const atMs = Date.parse(isDay ? `${text}T23:59:59Z` : text);
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('not a date such as 2027-01-31');
  return new Date(atMs).toISOString();
}
