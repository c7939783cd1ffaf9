import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import type { AuthorityBenchReport } from '../load/authority/run-authority-bench.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatBytes, formatNumber, formatPercent } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';
import { wholeNumber } from './whole-number.js';

interface BenchAuthorityOptions {
  readonly data: string;
  readonly entries: string;
  readonly certificates: string;
  readonly rounds: string;
  readonly seconds: string;
  readonly maxOcspCpu?: string;
}

export function benchAuthorityCommand(terminal: Terminal): Command {
  const command = new Command('authority')
    .description(
      'measure what tells the status of certificates, and ML-DSA: CRLs, OCSP, signatures, cost of CRL shards',
    )
    .option('--entries <n>', 'revoked certificates in the CRL', '1000000')
    .option('--certificates <n>', 'certificates that OCSP is asked about', '102400')
    .option('--rounds <n>', 'rounds of each figure', '3')
    .option('--seconds <n>', 'of each rate in each round', '3')
    .option(
      '--max-ocsp-cpu <us>',
      'fail where an OCSP answer that is looked up costs more microseconds of CPU',
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (options: BenchAuthorityOptions) => {
      const maxOcspCpu = wholeNumber(
        '--max-ocsp-cpu',
        options.maxOcspCpu ?? '1000000',
        1,
        1_000_000,
      );
      const { runAuthorityBench } = await import('../load/authority/run-authority-bench.js');
      const report = await runAuthorityBench({
        data: options.data,
        crlEntries: wholeNumber('--entries', options.entries, 1, 10_000_000),
        ocspCertificates: wholeNumber('--certificates', options.certificates, 1, 4_000_000),
        rounds: wholeNumber('--rounds', options.rounds, 1, 1_000),
        seconds: seconds(options.seconds),
        onStep: (step) => terminal.note(step),
      });
      terminal.report(report, linesOf(report));
      const { microseconds } = report.ocsp.spread;
      if (microseconds > maxOcspCpu) {
        terminal.note(`an OCSP answer costs ${formatNumber(microseconds)} us of CPU`);
        terminal.exitCode = exitCodes.couldNotRun;
      }
    });
  return withExamples(command, [
    ['certmill bench authority', 'a CRL of 1,000,000 entries, OCSP over 102,400 certificates'],
    ['certmill bench authority --entries 10000 --rounds 1 --seconds 1', 'a quick look'],
  ]);
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 0.1 && value <= 600) return value;
  throw new CertmillError('INVALID_INPUT', '--seconds must be a number from 0.1 to 600');
}

function linesOf({ crl, ocsp, mlDsa, shards, machine }: AuthorityBenchReport): string[] {
  const { withMicroseconds, withoutMicroseconds } = shards;
  const more = withMicroseconds - withoutMicroseconds;
  return [
    ...tableLines(
      ['what', 'figure'],
      [
        [
          `CRL of ${formatNumber(crl.entries)} entries, ${formatBytes(crl.bytes)}`,
          `${crl.seconds.map((each) => each.toFixed(2)).join(', ')} s, at most ${formatBytes(crl.maxRssBytes)} of memory`,
        ],
        [
          `OCSP, pre-signed, ${formatNumber(ocsp.certificates)} certificates`,
          `${formatNumber(ocsp.spread.perSecond)}/s, ${String(ocsp.spread.microseconds)} us of CPU each, ${formatPercent(ocsp.spread.kept)} of them kept in threads`,
        ],
        [
          'OCSP, pre-signed, the same 1,000 again and again',
          `${formatNumber(ocsp.few.perSecond)}/s, ${String(ocsp.few.microseconds)} us of CPU each, ${formatPercent(ocsp.few.kept)} of them kept in threads`,
        ],
        [
          'ML-DSA-44, certificates signed on all cores',
          `${formatNumber(mlDsa.issuedPerSecond)}/s = ${formatPercent(mlDsa.ratio)} of node:crypto's own ${formatNumber(mlDsa.rawPerSecond)}/s`,
        ],
        [
          `CPU of sign with ${String(shards.crlShards)} CRL shards and without`,
          `${withMicroseconds.toFixed(1)} and ${withoutMicroseconds.toFixed(1)} us a certificate: ${more.toFixed(1)} more`,
        ],
      ],
    ),
    '',
    `${machine.model}, ${String(machine.cores)} cores, Node ${machine.node}, load before ${machine.loadBefore.toFixed(2)}`,
  ];
}
