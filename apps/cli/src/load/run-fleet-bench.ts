import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { ServerAccess } from './drive-batch.js';
import { startEnrolments, type EnrolmentFigures } from './drive-enrolments.js';
import { describeMachine, type Machine } from './machine.js';
import { measureLimit, rateToLimit, type RateToLimit } from './machine-limit.js';
import { drive, openOrder, prepareLoad } from './prepared-load.js';

/** Where a process of the fleet tells its metrics. */
export interface MetricsSource {
  readonly name: string;
  readonly url: string;
}

export interface FleetBenchOptions {
  readonly access: ServerAccess;
  readonly sources: readonly MetricsSource[];
  readonly requests: number;
  readonly warmUp: number;
  readonly enrolmentsPerSecond: number;
  readonly onStep: (step: string) => void;
}

export interface FleetBenchService {
  readonly name: string;
  /** Per certificate. */
  readonly cpuMicroseconds: number;
  readonly maxRssBytes: number;
  /** Per certificate, from and to sockets, files and pipes; null where the process does not tell. */
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
  /** Per certificate, to block devices. */
  readonly diskWrittenBytes: number | null;
}

/** What `certmill fleet bench --json` prints; `certmill plan` reads it. */
export interface FleetBenchReport extends RateToLimit {
  readonly requests: number;
  readonly issued: number;
  readonly rejected: number;
  readonly seconds: number;
  readonly uploadSeconds: number;
  readonly services: readonly FleetBenchService[];
  /** Of all services together, per certificate. */
  readonly servicesCpuMicroseconds: number;
  readonly clientCpuMicroseconds: number;
  /** Octets per certificate that the services appended, by topic. */
  readonly appendedBytes: Readonly<Record<string, number>>;
  /** Of one session of a slot while it signed; null where no process that was asked signs. */
  readonly signaturesPerSessionSecond: number | null;
  readonly enrolments: EnrolmentFigures | null;
  readonly machine: Machine;
}

interface ProcessReading {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
  readonly diskWrittenBytes: number | undefined;
  /** Of all slots together. */
  readonly signatures: number;
  readonly signingSeconds: number;
  readonly appendedBytes: ReadonlyMap<string, number>;
}

const limitSeconds = 3;
const sampleMs = 1_000;
const enrolmentSeconds = 180;

/**
 * One batch through a fleet that runs, upload and download over HTTP from this process, between two
 * measurements of this machine's limit: the ratio means something where the fleet is on this machine.
 */
export async function runFleetBench(options: FleetBenchOptions): Promise<FleetBenchReport> {
  const { access, sources, requests, warmUp, enrolmentsPerSecond, onStep } = options;
  const machine = describeMachine();
  const directory = await mkdtemp(join(tmpdir(), 'certmill-bench-'));
  const orderId = `bench-${String(Date.now())}`;
  try {
    onStep(`making ${String(requests)} devices with keys of their own`);
    const measured = await prepareLoad(directory, orderId, requests);
    const warming = await prepareLoad(directory, `${orderId}-warm-up`, warmUp);
    const singles = await prepareLoad(
      directory,
      `${orderId}-single`,
      enrolmentsPerSecond * enrolmentSeconds,
    );
    onStep('measuring the limit: openssl speed ecdsap256 on all cores');
    const limitBefore = await measureLimit(limitSeconds);
    if (warmUp > 0) {
      onStep(`issuing ${String(warmUp)} to warm up`);
      await openOrder(access, warming);
      await drive(access, warming, () => undefined);
    }
    await openOrder(access, measured);
    if (enrolmentsPerSecond > 0) await openOrder(access, singles);
    onStep('issuing');
    const enrolments =
      enrolmentsPerSecond === 0
        ? undefined
        : startEnrolments({
            ...access,
            orderId: singles.orderId,
            requestsFile: singles.requests,
            perSecond: enrolmentsPerSecond,
          });
    const sampling = await startSampling(sources);
    const client = process.cpuUsage();
    const batch = await drive(access, measured, () => undefined);
    const clientCpu = process.cpuUsage(client);
    const readings = await sampling.stop();
    const enrolled = (await enrolments?.stop()) ?? null;
    onStep('measuring the limit once more');
    const limits = [limitBefore, await measureLimit(limitSeconds)].flatMap((limit) => limit ?? []);
    const perCertificate = (amount: number): number =>
      Math.round((amount / Math.max(1, batch.issued)) * 10) / 10;
    const told = (bytes: number | undefined): number | null =>
      bytes === undefined ? null : perCertificate(bytes);
    const services = readings.map((each) => ({
      name: each.name,
      cpuMicroseconds: perCertificate(each.cpuSeconds * 1e6),
      maxRssBytes: each.rssBytes,
      readBytes: told(each.readBytes),
      writtenBytes: told(each.writtenBytes),
      diskWrittenBytes: told(each.diskWrittenBytes),
    }));
    return {
      requests,
      issued: batch.issued,
      rejected: batch.rejected,
      ...rateToLimit(requests / batch.seconds, limits),
      seconds: batch.seconds,
      uploadSeconds: batch.uploadSeconds,
      services,
      servicesCpuMicroseconds: perCertificate(
        readings.reduce((sum, { cpuSeconds }) => sum + cpuSeconds * 1e6, 0),
      ),
      clientCpuMicroseconds: perCertificate(clientCpu.user + clientCpu.system),
      appendedBytes: Object.fromEntries(
        [...appendedIn(readings)].map(([topic, bytes]) => [topic, perCertificate(bytes)]),
      ),
      signaturesPerSessionSecond: signaturesPerSecond(readings),
      enrolments: enrolled,
      machine,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** CPU and octets from now on, and the most memory, of each process. */
async function startSampling(sources: readonly MetricsSource[]): Promise<{
  stop(): Promise<readonly (ProcessReading & { readonly name: string })[]>;
}> {
  const before = await Promise.all(sources.map(read));
  const maxRss = before.map(({ rssBytes }) => rssBytes);
  const sample = async (): Promise<readonly ProcessReading[]> => {
    const readings = await Promise.all(sources.map(read));
    for (const [i, { rssBytes }] of readings.entries()) {
      maxRss[i] = Math.max(maxRss[i] ?? 0, rssBytes);
    }
    return readings;
  };
  const timer = setInterval(() => {
    sample().catch(() => undefined);
  }, sampleMs);
  return {
    async stop() {
      clearInterval(timer);
      const after = await sample();
      return sources.map(({ name }, i) => ({
        name,
        cpuSeconds: (after[i]?.cpuSeconds ?? 0) - (before[i]?.cpuSeconds ?? 0),
        rssBytes: maxRss[i] ?? 0,
        readBytes: since(before[i]?.readBytes, after[i]?.readBytes),
        writtenBytes: since(before[i]?.writtenBytes, after[i]?.writtenBytes),
        diskWrittenBytes: since(before[i]?.diskWrittenBytes, after[i]?.diskWrittenBytes),
        signatures: (after[i]?.signatures ?? 0) - (before[i]?.signatures ?? 0),
        signingSeconds: (after[i]?.signingSeconds ?? 0) - (before[i]?.signingSeconds ?? 0),
        appendedBytes: new Map(
          [...(after[i]?.appendedBytes ?? [])].map(([topic, bytes]) => [
            topic,
            bytes - (before[i]?.appendedBytes.get(topic) ?? 0),
          ]),
        ),
      }));
    },
  };
}

function since(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

function signaturesPerSecond(readings: readonly ProcessReading[]): number | null {
  const signatures = readings.reduce((sum, each) => sum + each.signatures, 0);
  const seconds = readings.reduce((sum, each) => sum + each.signingSeconds, 0);
  return seconds > 0 ? Math.round(signatures / seconds) : null;
}

/** Of all processes together. */
function appendedIn(readings: readonly ProcessReading[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { appendedBytes } of readings) {
    for (const [topic, bytes] of appendedBytes) sums.set(topic, (sums.get(topic) ?? 0) + bytes);
  }
  return sums;
}

async function read({ name, url }: MetricsSource): Promise<ProcessReading> {
  const answer = await fetch(new URL('/metrics', url)).catch((cause: unknown) => {
    throw new CertmillError('INVALID_INPUT', `--metrics ${name}: ${url} does not answer`, {
      cause,
    });
  });
  const text = await answer.text();
  const optional = (metric: string): number | undefined => {
    const found = new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const value = (metric: string): number => {
    const found = optional(metric);
    if (found === undefined) {
      throw new CertmillError('INVALID_INPUT', `--metrics ${name}: ${url} has no ${metric}`);
    }
    return found;
  };
  const sumOf = (metric: string): number =>
    [...text.matchAll(new RegExp(`^${metric}\\{.*\\} (\\S+)`, 'gm'))].reduce(
      (sum, [, amount]) => sum + Number(amount),
      0,
    );
  return {
    cpuSeconds: value('process_cpu_seconds_total'),
    rssBytes: value('process_resident_memory_bytes'),
    readBytes: optional('certmill_process_read_bytes_total'),
    writtenBytes: optional('certmill_process_written_bytes_total'),
    diskWrittenBytes: optional('certmill_process_disk_written_bytes_total'),
    signatures: sumOf('certmill_sign_slot_signatures_total'),
    signingSeconds: sumOf('certmill_sign_slot_busy_seconds_total'),
    appendedBytes: new Map(
      [...text.matchAll(/^certmill_log_appended_bytes_total\{topic="([^"]+)"\} (\S+)/gm)].map(
        ([, topic = '', bytes]) => [topic, Number(bytes)],
      ),
    ),
  };
}
