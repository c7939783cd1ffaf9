import { Command, InvalidArgumentError, Option } from 'commander';
import { extKeyPurposes } from '@certmill/domain/profile-files';
import {
  openVerifier,
  type Status,
  type Verification,
  type VerificationDemands,
} from '@certmill/trust';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatCount } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import {
  type Certificate,
  certificatesIn,
  type NamedSources,
  readSources,
  type SourceOptions,
} from './verify-sources.js';

interface VerifyOptions extends SourceOptions {
  readonly at?: Date;
  readonly purpose?: string;
  readonly status?: VerificationDemands['status'];
}

/** A certificate that is asked about, and what came of it. */
interface Verified {
  readonly file: string;
  readonly position: number;
  readonly result: Verification;
}

type Names = NamedSources['names'];

export function verifyCommand(terminal: Terminal): Command {
  const files = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  const command = new Command('verify')
    .description('verify certificates: path to a root, validity, status by CRL and OCSP')
    .argument('<file...>', 'certificates, PEM or DER; CAs among them help to find the path')
    .option('--trust <file>', 'root certificates; may be repeated', files, [])
    .option('--chain <file>', 'CA certificates between; may be repeated', files, [])
    .option(
      '--data <dir>',
      'data folder whose roots are trusted; its issuers, CRLs and revocations are used',
    )
    .option('--crl <file>', 'revocation list, full or delta; may be repeated', files, [])
    .option('--ocsp <file>', 'OCSP response in DER; may be repeated', files, [])
    .option('--at <time>', 'the time in question, e.g. 2027-01-31T12:00:00Z; default: now', time)
    .option('--purpose <name>', 'of extKeyUsage: a name such as clientAuth, or an OID', purpose)
    .addOption(
      new Option(
        '--status <of>',
        'whose status must be told; default: leaf with --crl, --ocsp or a CRL of it in --data, else none',
      ).choices(['none', 'leaf', 'all']),
    )
    .option('--json', 'print one JSON object')
    .action(async (inputs: string[], options: VerifyOptions) => {
      await verify(terminal, inputs, options);
    });
  return withExamples(command, [
    ['certmill verify device.pem --trust root.pem --chain chain.pem', 'the path to the root'],
    ['certmill verify certs/*.pem --data ./certmill-data --crl issuing.crl', 'and who is revoked'],
    [
      'certmill verify device.pem --trust root.pem --ocsp answer.der --at 2027-01-31T12:00:00Z',
      'at another time',
    ],
  ]);
}

async function verify(
  terminal: Terminal,
  inputs: readonly string[],
  options: VerifyOptions,
): Promise<void> {
  const given = await Promise.all(
    inputs.map(async (file) => ({ file, certificates: await certificatesIn(file) })),
  );
  const { sources, names, tellsStatusOf } = await readSources(
    given.flatMap(({ certificates }) => certificates),
    options,
  );
  const verifier = openVerifier(sources);
  const demandsOf = (der: Uint8Array): VerificationDemands => ({
    atSeconds: Math.floor((options.at?.getTime() ?? Date.now()) / 1_000),
    status: options.status ?? (tellsStatusOf(der) ? 'leaf' : 'none'),
    ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
  });
  const verified = given.flatMap(({ file, certificates }) =>
    askedAbout(certificates).map(({ position, der }): Verified => {
      return { file, position, result: verifier.verify(der, demandsOf(der)) };
    }),
  );
  const invalid = verified.filter(({ result }) => !result.isValid).length;
  terminal.report(
    {
      certificates: verified.map((entry) => viewOf(entry, names)),
      valid: verified.length - invalid,
      invalid,
    },
    [
      ...verified.flatMap((entry) =>
        linesOf(entry, names, given.length > 1 || verified.length > 1),
      ),
      `${formatCount(verified.length, 'certificate')}, ` +
        (invalid === 0 ? 'all valid' : `${String(invalid)} not valid`) +
        untoldText(verified),
    ],
  );
  if (invalid > 0) terminal.exitCode = exitCodes.someRejected;
}

/** All but the CAs; the CAs where there is nothing else. */
function askedAbout(certificates: readonly Certificate[]): readonly Certificate[] {
  const devices = certificates.filter(({ isCa }) => !isCa);
  return devices.length > 0 ? devices : certificates;
}

function viewOf({ file, position, result }: Verified, names: Names): object {
  return {
    file,
    position,
    valid: result.isValid,
    problems: result.problems,
    path: result.path.map(({ subject, serialNumber, status, findings }) => ({
      subject,
      serialNumber,
      ...(status === undefined ? {} : { status: statusView(status, names) }),
      ...(findings.length === 0
        ? {}
        : { sources: findings.map((finding) => sourceView(finding, names)) }),
    })),
  };
}

function statusView(status: Status, names: Names): object {
  return status.state === 'untold' ? { state: 'untold' } : sourceView(status, names);
}

type Told = Exclude<Status, { readonly state: 'untold' }>;
type Source = Verification['path'][number]['findings'][number];

function sourceView(finding: Source | Told, names: Names): object {
  const { source, index, state } = finding;
  const name = names[source][index];
  if (state === 'unusable') return { source, index, name, state, detail: finding.detail };
  return {
    source,
    index,
    name,
    state,
    thisUpdate: isoOf(finding.thisUpdateSeconds),
    nextUpdate: isoOf(finding.nextUpdateSeconds),
    ...(state === 'revoked'
      ? { revokedAt: isoOf(finding.atSeconds), reason: finding.reason ?? 'unspecified' }
      : {}),
  };
}

function isoOf(seconds: number): string | undefined {
  return Number.isNaN(seconds) ? undefined : new Date(seconds * 1_000).toISOString();
}

/** A line for a valid one among many; the path where one is asked about, or something is wrong. */
function linesOf(
  { file, position, result }: Verified,
  names: Names,
  isOneOfMany: boolean,
): string[] {
  const place = isOneOfMany ? `${file}, object ${String(position)}` : file;
  const { isValid, path, problems } = result;
  const [leaf] = path;
  const head = `${place}: ${isValid ? 'valid' : 'NOT VALID'}${statusText(leaf?.status, names)}`;
  if (isValid && isOneOfMany) return [head];
  return [
    head,
    ...path.map(
      ({ subject, status }, index) => `  ${String(index)}: ${subject}${statusText(status, names)}`,
    ),
    ...problems.map(
      ({ position: at, clause, detail }) => `  ! ${String(at)}: ${detail} (${clause})`,
    ),
    ...path.flatMap(({ findings }, index) =>
      findings.flatMap((finding) =>
        finding.state === 'unusable'
          ? [`  - ${String(index)}: ${nameOf(finding, names)} does not count: ${finding.detail}`]
          : [],
      ),
    ),
  ];
}

function statusText(status: Status | undefined, names: Names): string {
  return status === undefined || status.state === 'untold'
    ? ''
    : `, ${status.state} by ${nameOf(status, names)}`;
}

function nameOf({ source, index }: Told | Source, names: Names): string {
  return names[source][index] ?? source;
}

/** Valid by its path is not the same as not revoked. */
function untoldText(verified: readonly Verified[]): string {
  const untold = verified.filter(({ result }) => result.path[0]?.status?.state === 'untold').length;
  if (untold === 0) return '';
  return untold === verified.length
    ? '; nothing that is here tells whether revoked'
    : `; of ${String(untold)} nothing that is here tells whether revoked`;
}

function time(value: string): Date {
  const parsed = new Date(value);
  if (Number.isNaN(parsed.getTime())) throw new InvalidArgumentError('expected an ISO 8601 time');
  return parsed;
}

function purpose(value: string): string {
  const named = (extKeyPurposes as Readonly<Record<string, string>>)[value];
  if (named !== undefined) return named;
  if (/^[0-2](\.\d+)+$/.test(value)) return value;
  throw new InvalidArgumentError(
    `expected an OID or one of ${Object.keys(extKeyPurposes).join(', ')}`,
  );
}
