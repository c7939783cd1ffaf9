import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { chainLinks, type ChainLink, type InspectedItem } from '@certmill/trust';
import { inspectFile } from '../inspect-file.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatCount } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { viewLines } from './view-lines.js';

interface InspectOptions {
  readonly failOnFindings?: true;
}

/** Objects of one file. */
interface InspectedFile {
  readonly file: string;
  readonly items: readonly InspectedItem[];
  readonly links: readonly ChainLink[];
}

export function inspectCommand(terminal: Terminal): Command {
  const command = new Command('inspect')
    .description('show certificates, CSRs, CRLs and OCSP messages, with the rules that they break')
    .argument('<file...>', 'PEM (any number of blocks), DER or PKCS #7; - is standard input')
    .option('--fail-on-findings', 'exit with 2 where a rule is broken')
    .option('--json', 'print one JSON object')
    .action(async (files: string[], options: InspectOptions) => {
      const read: InspectedFile[] = [];
      for (const file of files) read.push(inspected(file, await bytesOf(terminal, file)));
      const items = read.flatMap((entry) => entry.items);
      const findings = items.reduce((sum, { object }) => sum + (object?.findings.length ?? 0), 0);
      const unreadable = items.filter(({ object }) => object === undefined).length;
      terminal.report({ objects: read.flatMap(viewsOf), findings, unreadable }, [
        ...read.flatMap(linesOf),
        summary(items.length, findings, unreadable),
      ]);
      const isBad = unreadable > 0 || (options.failOnFindings === true && findings > 0);
      if (isBad) terminal.exitCode = exitCodes.someRejected;
    });
  return withExamples(command, [
    ['certmill inspect device.pem chain.pem', 'each object, and who issued whom'],
    ['certmill inspect request.csr --json', 'the same for a script'],
    ['certmill inspect issuing.crl --fail-on-findings', 'in CI: exit 2 where a rule is broken'],
  ]);
}

async function bytesOf(terminal: Terminal, file: string): Promise<Uint8Array> {
  if (file === '-') return Buffer.concat(await Array.fromAsync(terminal.readStdin()));
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}

function inspected(file: string, bytes: Uint8Array): InspectedFile {
  const items = inspectFile(file, bytes);
  const certificates = items.flatMap(({ position, object }) =>
    object?.kind === 'certificate' ? [{ position, der: object.der }] : [],
  );
  return { file, items, links: certificates.length > 1 ? chainLinks(certificates) : [] };
}

function viewsOf({ file, items, links }: InspectedFile): object[] {
  const issuers = new Map(links.map((link) => [link.position, link.issuedBy]));
  return items.map(({ position, label, object, unreadable }) => {
    const issuedBy = issuers.get(position);
    return {
      file,
      position,
      ...(label === undefined ? {} : { label }),
      ...(object === undefined
        ? { unreadable }
        : {
            kind: object.kind,
            octets: object.der.length,
            sha256: hash('sha256', object.der),
            ...object.view,
            findings: object.findings,
          }),
      ...(issuedBy === undefined ? {} : { issuedBy }),
    };
  });
}

const titles = {
  certificate: 'Certificate',
  'certification-request': 'Certification request (CSR)',
  crl: 'Certificate revocation list (CRL)',
  'ocsp-response': 'OCSP response',
  'ocsp-request': 'OCSP request',
  'public-key': 'Public key',
} as const;

function linesOf({ file, items, links }: InspectedFile): string[] {
  const lines = items.flatMap(({ position, object, unreadable }) => {
    const place = items.length > 1 ? `${file}, object ${String(position)}` : file;
    if (object === undefined) return [`${place}: cannot be read: ${unreadable ?? ''}`, ''];
    return [
      `${place}: ${titles[object.kind]}, ${String(object.der.length)} octets`,
      `  sha256: ${hash('sha256', object.der)}`,
      ...viewLines(object.view, '  '),
      ...object.findings.map(({ clause, detail }) => `  ! ${clause}: ${detail}`),
      '',
    ];
  });
  return [...lines, ...links.map(linkLine), ...(links.length > 0 ? [''] : [])];
}

function linkLine(link: ChainLink): string {
  const { position, subject } = link;
  return `object ${String(position)} (${subject === '' ? 'empty subject' : subject}): ${issuerText(link)}`;
}

function issuerText({ position, issuedBy, isGivenUp }: ChainLink): string {
  if (isGivenUp) return 'too many here have the name of its issuer: not all were tried';
  if (issuedBy === undefined) return 'its issuer is not here';
  return issuedBy === position ? 'self-signed' : `issued by object ${String(issuedBy)}`;
}

function summary(objects: number, findings: number, unreadable: number): string {
  const broken = findings === 0 ? 'no rule broken' : formatCount(findings, 'finding');
  return `${formatCount(objects, 'object')}, ${broken}${unreadable > 0 ? `, ${String(unreadable)} unreadable` : ''}`;
}
