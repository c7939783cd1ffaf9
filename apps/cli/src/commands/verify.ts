import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CertmillError } from '@certmill/domain';
import { extKeyPurposes } from '@certmill/domain/profile-files';
import {
  ImportedCrlFolder,
  inspect,
  loadIssuers,
  loadRoot,
  openVerifier,
  type InspectedKind,
  type Status,
  type Verification,
  type VerificationDemands,
  type VerificationSources,
} from '@certmill/trust';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatCount } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';

interface VerifyOptions {
  readonly trust: readonly string[];
  readonly chain: readonly string[];
  readonly crl: readonly string[];
  readonly ocsp: readonly string[];
  readonly data?: string;
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

export function verifyCommand(terminal: Terminal): Command {
  const files = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  const command = new Command('verify')
    .description('verify certificates: path to a root, validity, status by CRL and OCSP')
    .argument('<file...>', 'certificates, PEM or DER; CAs among them help to find the path')
    .option('--trust <file>', 'root certificates; may be repeated', files, [])
    .option('--chain <file>', 'CA certificates between; may be repeated', files, [])
    .option('--data <dir>', 'data folder whose root and issuers are trusted and used')
    .option('--crl <file>', 'revocation list, full or delta; may be repeated', files, [])
    .option('--ocsp <file>', 'OCSP response in DER; may be repeated', files, [])
    .option('--at <time>', 'the time in question, e.g. 2027-01-31T12:00:00Z; default: now', time)
    .option('--purpose <name>', 'of extKeyUsage: a name such as clientAuth, or an OID', purpose)
    .addOption(
      new Option(
        '--status <of>',
        'whose status must be told; default: leaf with --crl or --ocsp, else none',
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
  const verifier = openVerifier(await sourcesOf(given, options));
  const hasStatus = options.crl.length + options.ocsp.length > 0;
  const demands: VerificationDemands = {
    atSeconds: Math.floor((options.at?.getTime() ?? Date.now()) / 1_000),
    status: options.status ?? (hasStatus ? 'leaf' : 'none'),
    ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
  };
  const verified = given.flatMap(({ file, certificates }) =>
    askedAbout(certificates).map(({ position, der }): Verified => {
      return { file, position, result: verifier.verify(der, demands) };
    }),
  );
  const invalid = verified.filter(({ result }) => !result.isValid).length;
  terminal.report(
    { certificates: verified.map(viewOf), valid: verified.length - invalid, invalid },
    [
      ...verified.flatMap((entry) => linesOf(entry, given.length > 1 || verified.length > 1)),
      invalid === 0
        ? `${formatCount(verified.length, 'certificate')}, all valid`
        : `${formatCount(verified.length, 'certificate')}, ${String(invalid)} not valid`,
    ],
  );
  if (invalid > 0) terminal.exitCode = exitCodes.someRejected;
}

interface Certificate {
  readonly position: number;
  readonly der: Uint8Array;
  readonly isCa: boolean;
}

/** All but the CAs; the CAs where there is nothing else. */
function askedAbout(certificates: readonly Certificate[]): readonly Certificate[] {
  const devices = certificates.filter(({ isCa }) => !isCa);
  return devices.length > 0 ? devices : certificates;
}

async function certificatesIn(file: string): Promise<readonly Certificate[]> {
  const items = inspect(await bytesOf(file));
  const certificates = items.flatMap(({ position, object }) =>
    object?.kind === 'certificate'
      ? [{ position, der: object.der, isCa: JSON.stringify(object.view).includes('"cA":true') }]
      : [],
  );
  if (certificates.length > 0) return certificates;
  throw new CertmillError('INVALID_INPUT', `${file} holds no certificate`);
}

async function sourcesOf(
  given: readonly { readonly certificates: readonly Certificate[] }[],
  options: VerifyOptions,
): Promise<VerificationSources> {
  const ofKind = async (files: readonly string[], kind: InspectedKind): Promise<Uint8Array[]> => {
    const read = await Promise.all(files.map(async (file) => objectsIn(file, kind)));
    return read.flat();
  };
  const own = options.data === undefined ? undefined : await authoritiesOf(options.data);
  const anchors = [...(await ofKind(options.trust, 'certificate')), ...(own?.anchors ?? [])];
  if (anchors.length === 0) {
    throw new CertmillError('INVALID_INPUT', 'nothing is trusted: give --trust or --data');
  }
  return {
    anchors,
    intermediates: [
      ...(await ofKind(options.chain, 'certificate')),
      ...(own?.intermediates ?? []),
      ...given.flatMap(({ certificates }) =>
        certificates.filter(({ isCa }) => isCa).map(({ der }) => der),
      ),
    ],
    crls: [...(await ofKind(options.crl, 'crl')), ...(own?.crls ?? [])],
    ocspResponses: await ofKind(options.ocsp, 'ocsp-response'),
  };
}

async function objectsIn(file: string, kind: InspectedKind): Promise<Uint8Array[]> {
  const found = inspect(await bytesOf(file)).flatMap(({ object }) =>
    object?.kind === kind ? [object.der] : [],
  );
  if (found.length > 0) return found;
  throw new CertmillError('INVALID_INPUT', `${file} holds no ${kind.replaceAll('-', ' ')}`);
}

/** The ends of the chains of a data folder, what is between, and the CRLs that were taken in there. */
async function authoritiesOf(
  data: string,
): Promise<Pick<VerificationSources, 'anchors' | 'intermediates' | 'crls'>> {
  const root = await loadRoot(data);
  const chains = (await loadIssuers(data)).map(({ chainDer }) => chainDer);
  return {
    anchors: [...(root?.chainDer ?? []), ...chains.flatMap((chain) => chain.slice(-1))],
    intermediates: chains.flatMap((chain) => chain.slice(0, -1)),
    crls: new ImportedCrlFolder(data).all().map(({ der }) => der),
  };
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}

function viewOf({ file, position, result }: Verified): object {
  return {
    file,
    position,
    valid: result.isValid,
    problems: result.problems,
    path: result.path.map(({ subject, serialNumber, status, findings }) => ({
      subject,
      serialNumber,
      ...(status === undefined ? {} : { status: statusView(status) }),
      ...(findings.length === 0 ? {} : { sources: findings.map(sourceView) }),
    })),
  };
}

function statusView(status: Status): object {
  return status.state === 'untold' ? { state: 'untold' } : sourceView(status);
}

type Told = Exclude<Status, { readonly state: 'untold' }>;
type Source = Verification['path'][number]['findings'][number];

function sourceView(finding: Source | Told): object {
  const { source, index, state } = finding;
  if (state === 'unusable') return { source, index, state, detail: finding.detail };
  return {
    source,
    index,
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
function linesOf({ file, position, result }: Verified, isOneOfMany: boolean): string[] {
  const place = isOneOfMany ? `${file}, object ${String(position)}` : file;
  const { isValid, path, problems } = result;
  const [leaf] = path;
  const head = `${place}: ${isValid ? 'valid' : 'NOT VALID'}${statusText(leaf?.status)}`;
  if (isValid && isOneOfMany) return [head];
  return [
    head,
    ...path.map(
      ({ subject, status }, index) => `  ${String(index)}: ${subject}${statusText(status)}`,
    ),
    ...problems.map(
      ({ position: at, clause, detail }) => `  ! ${String(at)}: ${detail} (${clause})`,
    ),
    ...path.flatMap(({ findings }, index) =>
      findings.flatMap((finding) =>
        finding.state === 'unusable'
          ? [
              `  - ${String(index)}: ${finding.source} ${String(finding.index + 1)} does not count: ${finding.detail}`,
            ]
          : [],
      ),
    ),
  ];
}

function statusText(status: Status | undefined): string {
  return status === undefined || status.state === 'untold'
    ? ''
    : `, ${status.state} by ${status.source === 'crl' ? 'CRL' : 'OCSP'}`;
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
