import { Command, InvalidArgumentError, Option } from 'commander';
import {
  CertmillError,
  revocationReasons,
  statusRefusalOf,
  type CertificateChange,
  type RevocationReason,
} from '@certmill/domain';
import {
  certificateNameOf,
  changeCertificates,
  readCertificateNames,
  type CertificateName,
  type ChangeCounts,
  type ChangedItem,
  type Selection,
} from '@certmill/pipeline';
import { openFolderToRevoke } from '@certmill/standalone/folder';
import { actorHere } from '../audit/actor-here.js';
import type { ApprovalOptions } from '../ceremony/approval-options.js';
import { askForApproved } from '../ceremony/ask-for-approved.js';
import {
  openClient,
  withServerInsteadOfFolder,
  type ServerOptions,
} from '../client/server-options.js';
import type { NewRevocations } from '../client/issuance-client.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { streamOf } from '../read-input.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

interface RevokeOptions extends ServerOptions, ApprovalOptions {
  readonly data: string;
  readonly tenant?: string;
  readonly serial?: string;
  readonly udid?: string;
  readonly device?: string;
  readonly order?: string;
  readonly batch?: string;
  readonly issuer?: string;
  readonly file?: string;
  readonly reason?: RevocationReason;
  readonly hold?: boolean;
  readonly release?: boolean;
  readonly invalidityDate?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Names that one call of a server takes. */
const namesPerCall = 1_000;
/** The same of a call that is approved as a whole. */
const namesPerApproval = 10_000;
const exampleSerial = '0137c2a0'.padEnd(40, '5f');

export function revokeCommand(terminal: Terminal): Command {
  const command = new Command('revoke')
    .description(
      'revoke certificates, put them on hold or release them; in a data folder, or with --server at a server',
    )
    .option('--serial <hex>', 'the certificate with this serial number')
    .option('--udid <hex>', 'those of a key: SHA-256 of its SubjectPublicKeyInfo')
    .option('--device <id>', 'those of a device')
    .option('--order <id>', 'those of an order')
    .option('--batch <id>', 'those of a batch')
    .option('--issuer <name>', 'all that an issuer has issued')
    .option(
      '--file <file>',
      "those of a list ('-': standard input): PEM, NDJSON, CSV or a name per line",
    )
    .addOption(new Option('--reason <reason>', 'CRLReason of RFC 5280').choices(revocationReasons))
    .option('--hold', 'for the time being: certificateHold')
    .option('--release', 'end a hold')
    .option('--invalidity-date <time>', 'since when the key is known to be lost', parseTime)
    .option('--dry-run', 'tell what would become of them, and change nothing')
    .option('--yes', 'needed for an order, a batch, an issuer or a list')
    .option('--tenant <tenant>', 'in a data folder: of this tenant only')
    .addOption(dataOption())
    .action(async (options: RevokeOptions) => {
      const selection = await selectionOf(terminal, options);
      const change = changeOf(options);
      assertConfirmed(selection, options);
      const progress = terminal.progress('certificates');
      let done = 0;
      const report = await (options.server === undefined ? changeInFolder : changeAtServer)(
        terminal,
        options,
        selection,
        change,
        (count) => progress.update({ done: (done += count) }),
      );
      progress.stop();
      reportChanges(terminal, options, selection, report);
    });
  return withExamples(withServerInsteadOfFolder(command), [
    [`certmill revoke --serial ${exampleSerial} --reason keyCompromise`, 'one certificate'],
    ['certmill revoke --device gateway-0042 --hold', 'for the time being'],
    ['certmill revoke --device gateway-0042 --release', 'it was found again'],
    ['certmill revoke --order spring --dry-run', 'how many would be revoked'],
    ['certmill revoke --file stolen.txt --reason superseded --yes', 'a list'],
    [
      'certmill revoke --batch 9f2c41d07be35a6680d1c2b3a4 --yes --server http://127.0.0.1:8460',
      'at a server',
    ],
  ]);
}

interface Changes extends ChangeCounts {
  /** Requests that are on their way and may still be issued. */
  readonly pending: number;
  /** Those that were not changed as asked and those that something is pending of, the first ones. */
  readonly left: readonly { readonly name: string; readonly outcome: string }[];
}

const maxLeft = 100;

async function changeInFolder(
  _terminal: Terminal,
  { data, tenant, dryRun: isDryRun = false }: RevokeOptions,
  selection: Selection,
  change: CertificateChange,
  onDone: (count: number) => void,
): Promise<Changes> {
  await using folder = await openFolderToRevoke(data);
  const left: { name: string; outcome: string }[] = [];
  const { pendingNames, ...counts } = await changeCertificates(folder.ports, {
    actor: actorHere('revoke'),
    tenants: tenant === undefined ? await folder.tenants() : [tenant],
    selection,
    change,
    isDryRun,
    onItems(items) {
      left.push(...items.flatMap(leftOf).slice(0, maxLeft - left.length));
      onDone(items.length);
    },
  });
  left.unshift(...pendingNames.slice(0, maxLeft).map((name) => ({ name, outcome: 'pending' })));
  return { ...counts, left: left.slice(0, maxLeft) };
}

/** Calls that broke are made again: what is done is unchanged then. */
async function changeAtServer(
  terminal: Terminal,
  options: RevokeOptions,
  selection: Selection,
  change: CertificateChange,
  onDone: (count: number) => void,
): Promise<Changes> {
  using client = openClient(terminal, options);
  const total = { changed: 0, unchanged: 0, refused: 0, notFound: 0, pending: 0 };
  const left: { name: string; outcome: string }[] = [];
  const needsApproval = options.approval.length > 0 || options.propose !== undefined;
  for (const part of callsOf(selection, needsApproval ? namesPerApproval : namesPerCall)) {
    const wanted = { ...part, ...bodyOf(change), dryRun: options.dryRun ?? false };
    const answer = await askForApproved(terminal, options, (approved) =>
      client.revokeCertificates(wanted, approved),
    );
    const { changed, unchanged, refused, notFound, pending, items } = answer;
    total.changed += changed;
    total.unchanged += unchanged;
    total.refused += refused;
    total.notFound += notFound;
    total.pending += pending;
    const wrong = items.filter(({ outcome }) => outcome !== 'changed' && outcome !== 'unchanged');
    const named = wrong.map(({ serialNumber, name, outcome }) => {
      return { name: serialNumber ?? name ?? '', outcome };
    });
    left.push(...named.slice(0, maxLeft - left.length));
    onDone(changed + unchanged + refused + notFound);
  }
  return { ...total, left };
}

function* callsOf(selection: Selection, namesAtOnce: number): Generator<NewRevocations> {
  switch (selection.by) {
    case 'batch':
      yield { batchId: selection.batchId };
      return;
    case 'order':
      yield { orderId: selection.orderId };
      return;
    case 'issuer':
      yield { issuer: selection.issuer };
      return;
    case 'names':
      if (namesAtOnce === namesPerApproval) assertOneCall(selection.names.length);
      for (let at = 0; at < selection.names.length; at += namesAtOnce) {
        const names = selection.names.slice(at, at + namesAtOnce);
        yield {
          serialNumbers: names.flatMap((name) =>
            name.by === 'serialNumber' ? hexOf(name.serialNumber) : [],
          ),
          udids: names.flatMap((name) => (name.by === 'udid' ? hexOf(name.udid) : [])),
          deviceIds: names.flatMap((name) => (name.by === 'deviceId' ? name.deviceId : [])),
        };
      }
  }
}

function assertOneCall(names: number): void {
  if (names <= namesPerApproval) return;
  throw new CertmillError(
    'LIMIT_EXCEEDED',
    `a server takes approvals of ${formatNumber(namesPerApproval)} names at once: give the list in parts`,
  );
}

function bodyOf(change: CertificateChange): NewRevocations {
  if (change.kind === 'release') return { release: true };
  const { reason, invalidityDateMs } = change;
  return {
    reason,
    ...(invalidityDateMs === undefined
      ? {}
      : { invalidityDate: new Date(invalidityDateMs).toISOString() }),
  };
}

function leftOf(item: ChangedItem): { name: string; outcome: string }[] {
  if (item.outcome === 'not-found') return [{ name: item.notFound, outcome: item.outcome }];
  if (item.outcome !== 'refused') return [];
  return [{ name: hexOf(item.certificate.serialNumber), outcome: item.outcome }];
}

function reportChanges(
  terminal: Terminal,
  options: RevokeOptions,
  selection: Selection,
  changes: Changes,
): void {
  const { left, ...counts } = changes;
  const { changed, unchanged, refused, notFound, pending } = counts;
  if (refused + notFound + pending > 0) terminal.exitCode = exitCodes.someRejected;
  const why = new Map([
    [
      'refused',
      `refused: ${statusRefusalOf({ kind: options.release === true ? 'release' : 'revoke' })}`,
    ],
    ['pending', 'on its way'],
  ]);
  const done = options.release === true ? 'released' : options.hold === true ? 'held' : 'revoked';
  terminal.report({ isDryRun: options.dryRun === true, ...counts, left }, [
    `${formatNumber(changed)} ${options.dryRun === true ? 'would be ' : ''}${done}, ` +
      `${formatNumber(unchanged)} were so already, ${formatNumber(refused)} refused, ` +
      `${formatNumber(notFound)} not found`,
    ...(pending === 0 ? [] : [pendingLine(pending, selection)]),
    ...left.map(({ name, outcome }) => `${name}: ${why.get(outcome) ?? outcome}`),
  ]);
}

/** What was accepted before can be revoked when it is issued, and not before. */
function pendingLine(pending: number, selection: Selection): string {
  const told = `${formatNumber(pending)} on their way may still be issued: `;
  const again = 'type the same again when they have ended';
  if (selection.by !== 'names') {
    return `${told}${again}, or begin certmill mass revoke, which waits for them (UDIDs: with --udid)`;
  }
  const isByNumber = selection.names.every(({ by }) => by === 'serialNumber');
  return isByNumber
    ? `${told}revoke the keys below with --udid when they have ended`
    : `${told}${again}, unless a device has enrolled anew meanwhile (UDIDs: with --udid)`;
}

async function selectionOf(terminal: Terminal, options: RevokeOptions): Promise<Selection> {
  const { serial, udid, device, order, batch, issuer, file } = options;
  const given = [serial, udid, device, order, batch, issuer, file].filter(
    (value) => value !== undefined,
  );
  if (given.length !== 1) {
    throw new CertmillError(
      'INVALID_INPUT',
      'say which, once: --serial, --udid, --device, --order, --batch, --issuer or --file',
    );
  }
  if (order !== undefined) return { by: 'order', orderId: order };
  if (batch !== undefined) return { by: 'batch', batchId: batch };
  if (issuer !== undefined) return { by: 'issuer', issuer };
  if (file !== undefined) {
    const stream = file === '-' ? terminal.readStdin() : streamOf(file);
    return { by: 'names', names: await readCertificateNames(stream) };
  }
  const named: CertificateName | undefined =
    serial !== undefined
      ? certificateNameOf('serialNumber', serial)
      : udid !== undefined
        ? certificateNameOf('udid', udid)
        : certificateNameOf('deviceId', device ?? '');
  if (named !== undefined) return { by: 'names', names: [named] };
  throw new CertmillError(
    'INVALID_INPUT',
    'a serial number has 40 hex digits, a UDID 64, a device id is not empty',
  );
}

function changeOf(options: RevokeOptions): CertificateChange {
  const { reason, hold, release, invalidityDate: invalidityDateMs } = options;
  const nowMs = Date.now();
  if (release === true) {
    if (reason !== undefined || hold === true || invalidityDateMs !== undefined) {
      throw new CertmillError('INVALID_INPUT', '--release goes with no reason');
    }
    return { kind: 'release', releasedAtMs: nowMs };
  }
  if (hold === true && reason !== undefined && reason !== 'certificateHold') {
    throw new CertmillError('INVALID_INPUT', '--hold is a reason of its own');
  }
  return {
    kind: 'revoke',
    reason: hold === true ? 'certificateHold' : (reason ?? 'unspecified'),
    revokedAtMs: nowMs,
    ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
  };
}

function assertConfirmed(
  selection: Selection,
  { yes, dryRun, file, propose }: RevokeOptions,
): void {
  const isOne = selection.by === 'names' && file === undefined;
  if (isOne || yes === true || dryRun === true || propose !== undefined) return;
  throw new CertmillError(
    'INVALID_INPUT',
    'that may be many certificates, and revocation cannot be undone: look with --dry-run, then say --yes',
  );
}

function parseTime(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('not a time: 2026-11-22T12:00:00Z');
  return time;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
