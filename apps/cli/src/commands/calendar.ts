import { Command, InvalidArgumentError } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import type { CalendarView } from '../client/views.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

interface CalendarOptions extends ServerOptions {
  readonly days?: number;
  readonly failWithin?: number;
}

export function calendarCommand(terminal: Terminal): Command {
  const command = new Command('calendar')
    .description('what runs out when: CAs, and certificates of devices by month')
    .option('--days <number>', 'so many days from now; default: everything', parseDays)
    .option('--fail-within <days>', 'exit with 2 where a CA ends within so many days', parseDays)
    .action(async (options: CalendarOptions) => {
      using client = openClient(terminal, options);
      const calendar = await client.calendar(options.days);
      terminal.report(calendar, linesOf(calendar));
      const { failWithin } = options;
      const isNear =
        failWithin !== undefined &&
        calendar.authorities.some(({ daysLeft }) => daysLeft < failWithin);
      if (isNear) terminal.exitCode = exitCodes.someRejected;
    });
  return withExamples(withServerOptions(command), [
    ['certmill calendar', 'everything that ends'],
    [
      'certmill calendar --days 90 --fail-within 90',
      'for a monthly job: 2 where a CA is near its end',
    ],
  ]);
}

function linesOf({ authorities, devices }: CalendarView): string[] {
  if (authorities.length + devices.length === 0) return ['nothing runs out in that time'];
  const cas = authorities.map(({ subject, notAfter, daysLeft, issuers }) => [
    notAfter.slice(0, 10),
    daysLeft < 0 ? 'over' : formatNumber(daysLeft),
    subject,
    issuers.join(' '),
  ]);
  const ends = devices.map(({ month, profile, issuer, certificates }) => [
    month,
    profile,
    issuer,
    formatNumber(certificates),
  ]);
  return [
    ...(cas.length === 0 ? [] : tableLines(['CA until', 'days', 'subject', 'issuers'], cas)),
    ...(cas.length > 0 && ends.length > 0 ? [''] : []),
    ...(ends.length === 0
      ? []
      : tableLines(['devices until', 'profile', 'issuer', 'certificates'], ends)),
  ];
}

function parseDays(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('not a whole number of days');
  return Number(text);
}
