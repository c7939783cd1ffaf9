import { Command, InvalidArgumentError } from 'commander';
import { CertmillError, livesLongEnough } from '@certmill/domain';
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
    .description(
      'what runs out when: CAs and who speaks for them, orders that renew, and certificates of devices by month',
    )
    .option('--days <number>', 'so many days from now; default: everything', parseDays)
    .option(
      '--fail-within <days>',
      'exit with 2 where a CA, a CRL of CAs, a delegate that people are to replace or a certificate that a device is to renew ends within so many days; without those of delegates and devices that live for less than twice as long',
      parseDays,
    )
    .action(async (options: CalendarOptions) => {
      using client = openClient(terminal, options);
      const { days, failWithin } = options;
      const calendar = await client.calendar(days, failWithin ?? days);
      terminal.report(calendar, linesOf(calendar));
      if (failWithin === undefined) return;
      if (isNear(calendar, failWithin)) terminal.exitCode = exitCodes.someRejected;
      else assertLookedAtAll(calendar);
    });
  return withExamples(withServerOptions(command), [
    ['certmill calendar', 'everything that ends'],
    [
      'certmill calendar --days 90 --fail-within 90',
      'for a monthly job: 2 where a CA or a device is near its end',
    ],
  ]);
}

function isNear(calendar: CalendarView, days: number): boolean {
  const { authorities, delegates, caCrls, toRenew } = calendar;
  return [
    ...authorities.filter(({ revoked }) => revoked === undefined),
    ...delegates.filter((delegate) => isToldOf(delegate, days)),
    ...caCrls,
    ...(toRenew?.certificates ?? []),
  ].some(({ daysLeft }) => daysLeft < days);
}

/** Where a delegate is missing already its life does not matter. */
function isToldOf(
  { toReplace, notBefore, notAfter, daysLeft }: CalendarView['delegates'][number],
  days: number,
): boolean {
  if (!toReplace || daysLeft < 0) return toReplace;
  // Both are in it (RFC 5280 4.1.2.5).
  return livesLongEnough(Date.parse(notAfter) - Date.parse(notBefore) + 1_000, days);
}

/** Faults: FAULT_OVERLOADED where the server has not looked at all. */
function assertLookedAtAll({ toRenew }: CalendarView): void {
  if (toRenew?.isWhole !== false) return;
  throw new CertmillError(
    'FAULT_OVERLOADED',
    'the server could not look at all that ends in that time: ask for fewer days',
  );
}

function linesOf(calendar: CalendarView): string[] {
  const { authorities, delegates, caCrls, renewals, devices, toRenew } = calendar;
  const left = (days: number): string => (days < 0 ? 'over' : formatNumber(days));
  const cas = authorities.map(({ subject, notAfter, daysLeft, issuers, revoked }) => [
    notAfter.slice(0, 10),
    revoked === undefined ? left(daysLeft) : 'revoked',
    subject,
    issuers.join(' '),
  ]);
  const spokesmen = delegates.map(({ kind, issuer, subject, notAfter, daysLeft, renewsItself }) => [
    notAfter.slice(0, 10),
    left(daysLeft),
    kind,
    subject,
    issuer,
    renewsItself ? 'itself' : 'by people',
  ]);
  const crls = caCrls.map(({ ca, subject, nextUpdate, daysLeft }) => [
    nextUpdate.slice(0, 10),
    left(daysLeft),
    subject,
    ca,
  ]);
  const open = renewals.map((renewal) => [
    renewal.expiresAt.slice(0, 10),
    left(renewal.daysLeft),
    renewal.orderId,
    renewal.issuer,
    renewal.devices === undefined ? 'any' : formatNumber(renewal.devices),
    formatNumber(renewal.issued),
  ]);
  const ends = devices.map(({ month, profile, issuer, certificates, revoked }) => [
    month,
    profile,
    revoked === undefined ? issuer : `${issuer} (revoked)`,
    formatNumber(certificates),
  ]);
  const due = (toRenew?.certificates ?? []).map((row) => [
    row.month,
    left(row.daysLeft),
    row.profile,
    row.issuer,
    formatNumber(row.certificates),
  ]);
  const tables = [
    { headings: ['CA until', 'days', 'subject', 'issuers'], rows: cas },
    {
      headings: ['delegate until', 'days', 'kind', 'subject', 'CA', 'renewed'],
      rows: spokesmen,
    },
    { headings: ['CRL until', 'days', 'subject', 'CA'], rows: crls },
    {
      headings: ['renewal until', 'days', 'order', 'issuer', 'devices', 'issued'],
      rows: open,
    },
    { headings: ['devices until', 'profile', 'issuer', 'issued'], rows: ends },
    { headings: ['to renew until', 'days', 'profile', 'issuer', 'certificates'], rows: due },
  ].filter(({ rows }) => rows.length > 0);
  const lines = tables.flatMap(({ headings, rows }, index) => [
    ...(index === 0 ? [] : ['']),
    ...tableLines(headings, rows),
  ]);
  if (toRenew?.isWhole !== false)
    return lines.length > 0 ? lines : ['nothing runs out in that time'];
  return [...lines, 'there is more to renew: the server did not look at all; ask for fewer days'];
}

function parseDays(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('not a whole number of days');
  return Number(text);
}
