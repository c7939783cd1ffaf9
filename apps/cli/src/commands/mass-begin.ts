import { Command, InvalidArgumentError, Option } from 'commander';
import { CertmillError, revocationReasons } from '@certmill/domain';
import { withApprovalOptions, type ApprovalOptions } from '../ceremony/approval-options.js';
import { askForApproved } from '../ceremony/ask-for-approved.js';
import type { MassSelection, NewMassOperation } from '../client/issuance-client.js';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { massLines } from './mass-lines.js';

/** A dry run reads every certificate of the selection within the call. */
const patienceSeconds = 120;

interface BeginOptions extends ServerOptions, ApprovalOptions {
  readonly order?: string;
  readonly batch?: string;
  readonly site?: string;
  readonly profile?: string;
  readonly issuer?: string;
  readonly renewedBy?: string;
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

interface RevokeOptions extends BeginOptions {
  readonly reason: string;
  readonly invalidityDate?: string;
}

interface ReissueOptions extends BeginOptions {
  readonly toIssuer: string;
  readonly toProfile: string;
  readonly expires?: string;
}

export function massRevokeCommand(terminal: Terminal): Command {
  const command = withSelection(new Command('revoke'))
    .description('revoke all certificates of an order, batch, site, profile or issuer')
    .addOption(
      new Option('--reason <reason>', 'CRLReason of RFC 5280')
        .choices(revocationReasons)
        .default('unspecified'),
    )
    .option('--invalidity-date <time>', 'since when the keys are known to be lost', parseTime)
    .action(async (name: string, options: RevokeOptions) => {
      const { reason, invalidityDate } = options;
      const lost = invalidityDate === undefined ? {} : { invalidityDate };
      await begin(terminal, name, options, { kind: 'revoke', reason, ...lost });
    });
  return withExamples(withServerOptions(command, patienceSeconds), [
    ['certmill mass revoke leak-7 --issuer factory-a --dry-run', 'how many would be revoked'],
    [
      'certmill mass revoke leak-7 --issuer factory-a --reason cACompromise --yes',
      'begins; asked again, it is the same operation',
    ],
    [
      'certmill mass revoke old-7 --issuer factory-a --renewed-by move-7 --reason superseded --yes',
      'of devices that have their new one',
    ],
    ['certmill mass revoke north --site north --rate 500 --yes', 'at most 500 a second'],
    [
      'certmill mass revoke leak-7 --issuer factory-a --propose op.json',
      'where the server has a quorum: what its people are to approve',
    ],
  ]);
}

export function massReissueCommand(terminal: Terminal): Command {
  const command = withNewCertificates(terminal, new Command('reissue'), 'reissue').description(
    'issue the certificates of a population once more from their stored requests',
  );
  return withExamples(withServerOptions(command, patienceSeconds), [
    [
      'certmill mass reissue move-7 --issuer factory-a --to-issuer factory-b --to-profile idevid --dry-run',
      'how many would be issued',
    ],
    [
      'certmill mass reissue move-7 --issuer factory-a --to-issuer factory-b --to-profile idevid --yes',
      'same keys, another issuer',
    ],
  ]);
}

export function massRenewCommand(terminal: Terminal): Command {
  const command = withNewCertificates(terminal, new Command('renew'), 'renew').description(
    'open an order under which the devices of a population renew, with new requests and keys',
  );
  return withExamples(withServerOptions(command, patienceSeconds), [
    [
      'certmill mass renew move-7 --issuer factory-a --to-issuer factory-b --to-profile pq-device --yes',
      'another algorithm: upload the new requests to order move-7',
    ],
    ['certmill mass devices move-7 --state outstanding', 'who has not renewed yet'],
  ]);
}

function withNewCertificates(
  terminal: Terminal,
  command: Command,
  kind: 'reissue' | 'renew',
): Command {
  return withSelection(command)
    .requiredOption('--to-issuer <name>', 'issuing CA of the new certificates')
    .requiredOption('--to-profile <name>', 'profile of the new certificates')
    .option('--expires <time>', 'of the order that they are issued under', parseTime)
    .addHelpText(
      'after',
      "\nThe new certificates are in an order of the operation's name, which lasts 90 days where" +
        '\n--expires is not given. Revoked and held certificates, and those that have ended, are passed over.',
    )
    .action(async (name: string, options: ReissueOptions) => {
      await begin(terminal, name, options, {
        kind,
        issuer: options.toIssuer,
        profile: options.toProfile,
        ...(options.expires === undefined ? {} : { expiresAt: options.expires }),
      });
    });
}

function withSelection(command: Command): Command {
  return withApprovalOptions(command)
    .argument('<name>', 'of the operation: lower-case letters, digits, hyphens')
    .option('--order <id>', 'those of an order')
    .option('--batch <id>', 'those of a batch')
    .option('--site <name>', 'those of a site, by the allow-list in force when they are looked at')
    .option('--profile <name>', 'those of a profile')
    .option('--issuer <name>', 'those of an issuer')
    .option(
      '--renewed-by <order>',
      'of these, those of devices that hold a good one of this order too',
    )
    .option('--rate <number>', 'certificates a second at most', parseRate)
    .option('--dry-run', 'tell what would become of them, and begin nothing')
    .option('--yes', 'needed to begin');
}

async function begin(
  terminal: Terminal,
  operationId: string,
  options: BeginOptions,
  work: NewMassOperation['work'],
): Promise<void> {
  const { rate, dryRun = false, yes, propose } = options;
  const selection = selectionOf(options);
  if (!dryRun && yes !== true && propose === undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      'that may be many certificates: look with --dry-run, then say --yes',
    );
  }
  using client = openClient(terminal, options);
  const asked = { operationId, selection, work, dryRun };
  const wanted = { ...asked, ...(rate === undefined ? {} : { ratePerSecond: rate }) };
  const operation = await askForApproved(terminal, options, (approved) =>
    client.beginOperation(wanted, approved),
  );
  const next = dryRun ? [] : ['', 'next:', `  certmill mass watch ${operationId}`];
  terminal.report(operation, [...massLines(operation), ...next]);
}

function selectionOf(options: BeginOptions): MassSelection {
  const { order, batch, site, profile, issuer, renewedBy } = options;
  if ([order, batch, site, profile, issuer].every((part) => part === undefined)) {
    throw new CertmillError(
      'INVALID_INPUT',
      'say which: --order, --batch, --site, --profile, --issuer, or several of them',
    );
  }
  return {
    ...(order === undefined ? {} : { orderId: order }),
    ...(batch === undefined ? {} : { batchId: batch }),
    ...(site === undefined ? {} : { site }),
    ...(profile === undefined ? {} : { profile }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(renewedBy === undefined ? {} : { renewedBy }),
  };
}

/** Certificates a second, at least the lowest rate of a mass operation. */
export function parseRate(text: string): number {
  const rate = Number(text.replaceAll('_', ''));
  if (!(rate >= 0.01)) throw new InvalidArgumentError('not a number from 0.01 on');
  return rate;
}

function parseTime(text: string): string {
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('not a time: 2026-11-22T12:00:00Z');
  return new Date(atMs).toISOString();
}
