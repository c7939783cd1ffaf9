import { Command, Option } from 'commander';
import { CertmillError, revocationReasons, type RevocationReason } from '@certmill/domain';
import type { IssuerKeyType } from '@certmill/trust';
import {
  readCarriedCrl,
  withCompromise,
  writeCompromise,
  type CompromiseWish,
  type SuccessorWish,
} from '@certmill/trust/compromise';
import { readApprovals } from '../../ceremony/approval-options.js';
import { openClient, withServerOptions, type ServerOptions } from '../../client/server-options.js';
import { runOf } from '../../compromise/begin-run.js';
import { previewCompromise, previewLines } from '../../compromise/preview.js';
import { compromiseLines, compromiseView } from '../../compromise/report.js';
import { runCompromise, RunStopped } from '../../compromise/run-compromise.js';
import type { Circumstances, StepContext } from '../../compromise/step-context.js';
import { exitCodes } from '../../terminal/exit-codes.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { parseRate } from '../mass-begin.js';
import {
  count,
  keyOption,
  type ParentOptions,
  withLifetimeOption,
  withParentOptions,
  withSlotOption,
  withStatusOptions,
  withSubjectOption,
} from './ca-options.js';

interface CompromiseOptions extends ServerOptions, ParentOptions {
  readonly data: string;
  readonly name?: string;
  readonly to?: string;
  readonly reissue: boolean;
  readonly revokeFirst?: true;
  readonly keepCa?: true;
  readonly reason: RevocationReason;
  readonly deviceReason?: RevocationReason;
  readonly rate?: number;
  readonly under?: string;
  readonly key?: IssuerKeyType;
  readonly subject?: string;
  readonly lifetime?: string;
  readonly statusUrl?: string;
  readonly crlShards?: string;
  readonly slot?: string;
  readonly parentCrl: readonly string[];
  readonly next: string;
  readonly timeout: number;
  readonly leaveBehind: number;
  /** Of the command under a quorum. */
  readonly approval?: readonly string[];
  readonly dryRun?: true;
  readonly yes?: true;
}

/** A server may be restarted meanwhile. */
const patienceSeconds = 120;
const defaultTimeoutSeconds = 900;
const reasons = revocationReasons.filter((reason) => reason !== 'certificateHold');

export function compromiseCommand(terminal: Terminal): Command {
  const command = new Command('compromise')
    .description(
      'leave an issuer whose key is lost or has fallen out of use, to the end; resumable',
    )
    .argument('<issuer>', 'the issuing CA that is given up')
    .option('--to <name>', 'the issuing CA that takes its place: one that is there, or it is made')
    .option('--no-reissue', 'revoke only: devices get no certificate of another issuer')
    .option('--revoke-first', 'revoke the CA before its population is reissued: others use its key')
    .option('--keep-ca', 'the CA itself stays: another tenant is to leave it yet')
    .addOption(
      new Option('--reason <reason>', 'why the CA is revoked (RFC 5280 5.3.1)')
        .choices(reasons)
        .default('cACompromise'),
    )
    .addOption(
      new Option(
        '--device-reason <reason>',
        'why certificates of devices are; default: for cACompromise superseded, with --no-reissue keyCompromise; else the same',
      ).choices(reasons),
    )
    .option('--rate <number>', 'certificates a second at most', parseRate)
    .option(
      '--leave-behind <n>',
      'devices that may be left without a new certificate, once for each profile',
      count,
      0,
    )
    .option('--name <name>', 'of the run and its operations; default: leave-ISSUER')
    .option('--under <ca>', 'CA that signs the new one; default: the one that signed the old')
    .addOption(keyOption('that of the old one'))
    .option(
      '--parent-crl <file>',
      'CRL that was carried from a CA above; repeat it',
      (file: string, before: readonly string[]) => [...before, file],
      [],
    )
    .option('--next <time>', 'time until the next CRL of the CA above', '90d')
    .option(
      '--timeout <seconds>',
      'longest wait for requests on their way, and for CRLs',
      count,
      defaultTimeoutSeconds,
    )
    .option('--dry-run', 'tell what would be done, and do nothing')
    .option('--yes', 'needed to begin')
    .addOption(dataOption())
    .action(async (issuer: string, options: CompromiseOptions) => {
      await leave(terminal, wishOf(issuer, options), options);
    })
    .addHelpText(
      'after',
      '\nIt is killed, or stops, wherever it is: type the same command again, and it goes on. The server' +
        '\nruns meanwhile; the data folder is its own, or that of sign in a fleet.',
    );
  withParentOptions(
    withStatusOptions(
      withLifetimeOption(
        withSlotOption(withSubjectOption(command, 'that of the old one, its CN another')),
      ),
    ),
  );
  return withExamples(withServerOptions(command, patienceSeconds), [
    ['certmill ca compromise factory --to factory-2 --dry-run', 'what would be done, with counts'],
    ['certmill ca compromise factory --to factory-2 --yes', 'the whole way'],
    [
      'certmill ca compromise factory --to factory-2 --revoke-first --yes',
      'somebody else signs with its key',
    ],
    [
      'certmill ca compromise factory --to factory-2 --yes --parent-crl root.crl',
      'once the CRL of an offline root was carried back',
    ],
  ]);
}

async function leave(
  terminal: Terminal,
  wish: CompromiseWish,
  options: CompromiseOptions,
): Promise<void> {
  const { data, dryRun, yes } = options;
  using client = openClient(terminal, options);
  const circumstances = await circumstancesOf(options);
  if (dryRun === true) {
    const { old, run, isBegun } = await runOf(data, client, wish);
    const context: StepContext = { terminal, client, data, old, circumstances };
    const preview = await previewCompromise(context, run, isBegun);
    terminal.report(preview, previewLines(preview));
    return;
  }
  await withCompromise(data, wish.name, async () => {
    const { old, run, isBegun } = await runOf(data, client, wish);
    if (!isBegun) {
      assertMeant(yes);
      await writeCompromise(data, run);
    }
    await goOn({ terminal, client, data, old, circumstances }, run);
  });
}

async function goOn(context: StepContext, run: Parameters<typeof runCompromise>[1]): Promise<void> {
  const { terminal } = context;
  try {
    const view = compromiseView(await runCompromise(context, run));
    terminal.report(view, compromiseLines(view));
    if (view.left.length > 0) terminal.exitCode = exitCodes.someRejected;
  } catch (error) {
    if (!(error instanceof RunStopped)) throw error;
    const { shownCode: code, message, step } = error;
    const view = compromiseView(error.run);
    terminal.report({ ...view, error: { code, message, step } }, compromiseLines(view));
    throw error;
  }
}

function assertMeant(yes: true | undefined): void {
  if (yes === true) return;
  throw new CertmillError(
    'INVALID_INPUT',
    'that ends an issuer for good: look with --dry-run, then say --yes',
  );
}

function wishOf(issuer: string, options: CompromiseOptions): CompromiseWish {
  const { name = `leave-${issuer}`, reason, deviceReason, reissue, rate } = options;
  const successor = successorOf(options);
  return {
    name,
    issuer,
    reason,
    ...(deviceReason === undefined ? {} : { deviceReason }),
    ...(successor === undefined ? {} : { successor }),
    isReissued: reissue,
    isCaFirst: options.revokeFirst === true,
    keepsCa: options.keepCa === true,
    ...(rate === undefined ? {} : { ratePerSecond: rate }),
  };
}

function successorOf(options: CompromiseOptions): SuccessorWish | undefined {
  const { to, under, key, subject, lifetime, statusUrl, crlShards, slot } = options;
  const parts = { under, key, subject, lifetime, statusUrl, crlShards, slot };
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  if (to !== undefined) return { name: to, ...Object.fromEntries(given) };
  if (given.length === 0) return undefined;
  throw new CertmillError('INVALID_INPUT', 'those options are of the new issuer: say --to NAME');
}

async function circumstancesOf(options: CompromiseOptions): Promise<Circumstances> {
  const { parentData, parentPassphraseFile, parentCrl, next, timeout, leaveBehind } = options;
  // One that the last step would refuse is to be known before the first.
  await Promise.all(parentCrl.map(readCarriedCrl));
  return {
    ...(parentData === undefined ? {} : { parentData }),
    ...(parentPassphraseFile === undefined ? {} : { parentPassphraseFile }),
    parentCrl,
    next,
    timeoutSeconds: timeout,
    leaveBehind,
    approvals: await readApprovals(options.approval ?? []),
  };
}
