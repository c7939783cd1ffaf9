import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { IssuanceCpu } from '@certmill/standalone';
import type { BenchCpu, BenchQuestion, BenchReady } from './bench-server.js';
import type { ServerAccess } from './drive-batch.js';
import { drive, openOrder, prepareLoad } from './prepared-load.js';
import { startEnrolments, type EnrolmentFigures } from './drive-enrolments.js';
import { describeMachine, type Machine } from './machine.js';
import { measureLimit, rateToLimit, type RateToLimit } from './machine-limit.js';
import { addFillerDevices } from './filler-devices.js';

export interface BenchOptions {
  readonly data: string;
  /** Requests of the batch. */
  readonly requests: number;
  /** Requests of a batch before it, which is not measured: compilers and files are warm then; 0 for none. */
  readonly warmUp: number;
  /** Devices on the allow-list, at least `requests`; the batch's stand among them in random order. */
  readonly devices: number;
  /** Single enrolments a second beside the batch; 0 for none. */
  readonly enrolmentsPerSecond: number;
  /** Added to every fsync; 0 for none. */
  readonly fsyncMs: number;
  /** Of `openssl speed`, for signing and for verifying, before and after. */
  readonly limitSeconds: number;
  readonly onStep: (step: string) => void;
}

/** One second of the run. */
export interface BenchSample {
  readonly atSeconds: number;
  readonly issued: number;
  readonly rssBytes: number;
}

export interface BenchStage {
  readonly name: 'ingest' | 'validate' | 'sign' | 'publish' | 'download';
  /** Per certificate. */
  readonly cpuMicroseconds: number;
}

/** What `certmill bench --json` prints. */
export interface BenchReport extends RateToLimit {
  readonly requests: number;
  readonly devices: number;
  readonly warmUp: number;
  readonly seconds: number;
  readonly uploadSeconds: number;
  readonly issued: number;
  readonly rejected: number;
  readonly stages: readonly BenchStage[];
  /** Of the whole server process per certificate, runtime threads included. */
  readonly processCpuMicroseconds: number;
  /** Of this process per certificate: the client shares the server's cores. */
  readonly clientCpuMicroseconds: number;
  readonly maxRssBytes: number;
  /** Growth of RSS per million requests after the first tenth; null in a run too short to say. */
  readonly rssGrowthPerMillion: number | null;
  readonly readySeconds: number;
  readonly samples: readonly BenchSample[];
  /** null where none were asked for. */
  readonly enrolments: EnrolmentFigures | null;
  readonly fsyncMs: number;
  readonly machine: Machine & { readonly openssl: string | null };
}

const sampleMs = 1_000;
/** Enrolments are made ready for this long; a shorter batch ends them. */
const enrolmentSeconds = 180;
/** Samples from which a slope means something. */
const minSlopeSamples = 10;

/**
 * One run of `serve`'s own code in its default configuration: fresh keys, an allow-list, upload and
 * download over HTTP from this process on the same cores. The limit is measured right before.
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { data, requests, warmUp, devices, enrolmentsPerSecond, fsyncMs, onStep } = options;
  const { limitSeconds } = options;
  const machine = describeMachine();
  const orderId = `bench-${String(Date.now())}`;
  const directory = join(data, 'bench', orderId);
  await mkdir(directory, { recursive: true });
  onStep(`making ${String(requests)} devices with keys of their own`);
  const measured = await prepareLoad(directory, orderId, requests);
  const allowList = await addFillerDevices(measured.allowList, devices);
  const warming = await prepareLoad(directory, `${orderId}-warm-up`, warmUp);
  const singles = await prepareLoad(
    directory,
    `${orderId}-single`,
    enrolmentsPerSecond * enrolmentSeconds,
  );
  onStep('measuring the limit: openssl speed ecdsap256 on all cores');
  const limitBefore = await measureLimit(limitSeconds);

  onStep('starting the server');
  const server = await startServer(data, fsyncMs);
  try {
    const { access, process: child } = server;
    if (warmUp > 0) {
      onStep(`issuing ${String(warmUp)} to warm up`);
      await openOrder(access, warming);
      await drive(access, warming, () => undefined);
    }
    await openOrder(access, { ...measured, allowList });
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
    const before = await cpuOf(child);
    const samples = sampleProcess(child);
    const client = process.cpuUsage();
    const batch = await drive(access, measured, ({ issued }) => {
      samples.issued = issued;
    });
    const clientCpu = process.cpuUsage(client);
    const enrolled = (await enrolments?.stop()) ?? null;
    const series = samples.stop();
    const after = await cpuOf(child);
    onStep('downloading once more, to tell what a download costs');
    await download(access, batch.batchId);
    const downloaded = await cpuOf(child);
    onStep('measuring the limit once more');
    const limits = [limitBefore, await measureLimit(limitSeconds)].flatMap((limit) => limit ?? []);
    const perCertificate = (microseconds: number): number =>
      round(microseconds / Math.max(1, batch.issued));
    const downloadMain = downloaded.main - after.main;
    const downloadStore = downloaded.store - after.store;
    return {
      requests,
      devices,
      warmUp,
      ...rateToLimit(requests / batch.seconds, limits),
      seconds: batch.seconds,
      uploadSeconds: batch.uploadSeconds,
      issued: batch.issued,
      rejected: batch.rejected,
      stages: [
        {
          name: 'ingest',
          cpuMicroseconds: perCertificate(after.main - before.main - downloadMain),
        },
        { name: 'validate', cpuMicroseconds: perCertificate(after.validate - before.validate) },
        { name: 'sign', cpuMicroseconds: perCertificate(after.sign - before.sign) },
        {
          name: 'publish',
          cpuMicroseconds: perCertificate(after.store - before.store - downloadStore),
        },
        { name: 'download', cpuMicroseconds: perCertificate(downloadMain + downloadStore) },
      ],
      processCpuMicroseconds: perCertificate(after.process - before.process),
      clientCpuMicroseconds: perCertificate(clientCpu.user + clientCpu.system),
      maxRssBytes: Math.max(0, ...series.map((sample) => sample.rssBytes)),
      rssGrowthPerMillion: growthPerMillion(series),
      readySeconds: server.readySeconds,
      samples: series,
      enrolments: enrolled,
      fsyncMs,
      machine: { ...machine, openssl: limits[0]?.version ?? null },
    };
  } finally {
    server.process.send('stop' satisfies BenchQuestion);
    await server.exited;
  }
}

interface BenchServer {
  readonly process: ChildProcess;
  readonly access: ServerAccess;
  readonly readySeconds: number;
  readonly exited: Promise<unknown>;
}

async function startServer(data: string, fsyncMs: number): Promise<BenchServer> {
  const child = fork(new URL('./bench-server.js', import.meta.url), [data, String(fsyncMs)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const [message] = (await Promise.race([
    once(child, 'message'),
    exited.then(() => {
      throw new CertmillError(
        'FAULT_PROCESSING',
        'the server of the bench ended before it was ready',
      );
    }),
  ])) as [BenchReady];
  const { url, key, readySeconds } = message;
  return { process: child, access: { url, key }, readySeconds, exited };
}

async function cpuOf(child: ChildProcess): Promise<IssuanceCpu> {
  const answered = once(child, 'message') as Promise<[BenchCpu]>;
  child.send('cpu' satisfies BenchQuestion);
  const [{ cpu }] = await answered;
  return cpu;
}

async function download(access: ServerAccess, batchId: string): Promise<void> {
  const response = await fetch(`${access.url}/v1/batches/${batchId}/certificates?format=pem`, {
    headers: { authorization: `Bearer ${access.key}` },
  });
  // Read and dropped: only the server's side counts.
  await response.body?.pipeTo(new WritableStream());
}

interface Sampling {
  issued: number;
  stop(): readonly BenchSample[];
}

/** RSS from /proc; elsewhere the series is empty. */
function sampleProcess(child: ChildProcess): Sampling {
  const begun = performance.now();
  const series: BenchSample[] = [];
  const take = (): void => {
    const rssBytes = residentBytes(child.pid ?? 0);
    if (rssBytes === undefined) return;
    series.push({
      atSeconds: round((performance.now() - begun) / 1000),
      issued: sampling.issued,
      rssBytes,
    });
  };
  const timer = setInterval(take, sampleMs);
  const sampling: Sampling = {
    issued: 0,
    stop() {
      clearInterval(timer);
      take();
      return series;
    },
  };
  return sampling;
}

function residentBytes(pid: number): number | undefined {
  try {
    const pages = readFileSync(`/proc/${String(pid)}/statm`, 'latin1').split(' ')[1];
    return Number(pages) * 4096;
  } catch {
    return undefined;
  }
}

/** Least-squares slope of RSS over requests, after the first tenth, as a share of the mean RSS. */
function growthPerMillion(series: readonly BenchSample[]): number | null {
  const rest = series.slice(Math.ceil(series.length / 10));
  if (rest.length < minSlopeSamples) return null;
  const mean = (values: readonly number[]): number =>
    values.reduce((a, b) => a + b, 0) / values.length;
  const x = mean(rest.map((sample) => sample.issued));
  const y = mean(rest.map((sample) => sample.rssBytes));
  const covariance = mean(rest.map((sample) => (sample.issued - x) * (sample.rssBytes - y)));
  const variance = mean(rest.map((sample) => (sample.issued - x) ** 2));
  return variance === 0 ? null : Math.round(((covariance / variance) * 1e6 * 10_000) / y) / 10_000;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
