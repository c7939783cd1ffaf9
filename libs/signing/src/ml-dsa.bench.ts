import { availableParallelism, cpus, loadavg } from 'node:os';
import type { MlDsaAlgorithm } from '@certmill/der';
import { openSigningPools } from './sign/open-signing-pools.js';
import { aChunk, tlsClientText } from './testing/a-chunk.js';
import { aMlDsaDeviceRequest } from './testing/a-device-request.js';
import { anIssuer, asSigningIssuer } from './testing/an-issuer.js';
import type { RawMlDsaTask } from './testing/raw-ml-dsa.worker.js';
import { TaskPool } from './worker-pool/task-pool.js';

/**
 * Run by hand: `node libs/signing/dist/ml-dsa.bench.js [seconds per figure] [rounds] [parameter set]`.
 * Certificates of ML-DSA devices under an ML-DSA issuer, signed by the pools on all cores, against what
 * node:crypto signs there in a tight loop: messages of the same size, both in turn, round by round.
 */
const secondsEach = Number(process.argv[2] ?? 3);
const rounds = Number(process.argv[3] ?? 5);
const parameterSet = (process.argv[4] ?? 'ml-dsa-44') as MlDsaAlgorithm;
const threads = availableParallelism();
/** As many as have room in a chunk's 512 KiB. */
const count = 64;
/** A TBSCertificate of tls-client with a key of ML-DSA-44. */
const messageBytes = 1_700;

const raw = new TaskPool({
  workerFile: new URL('./testing/raw-ml-dsa.worker.js', import.meta.url),
  workerData: {},
  threads,
  lane: 'bulk',
  maxQueue: threads,
  taskTimeoutMs: 600_000,
});
const issuer = anIssuer(parameterSet);
const pools = await openSigningPools({
  issuers: [asSigningIssuer(issuer)],
  profiles: () => tlsClientText,
  serialKeys: [{ id: 1, key: Buffer.alloc(16, 7) }],
  threadsPerSlot: threads,
});
const { received, verdict } = aChunk({
  requests: Array.from({ length: count }, (_, i) =>
    aMlDsaDeviceRequest(`device-${String(i)}`, parameterSet),
  ),
});

async function rawPerSecond(): Promise<number> {
  const milliseconds = secondsEach * 1e3;
  const message: RawMlDsaTask = { parameterSet, milliseconds, messageBytes };
  const outcomes = await Promise.all(
    Array.from({ length: threads }, () =>
      raw.run<number>(() => ({ handler: 'signRaw', message, transferList: [] })),
    ),
  );
  const signed = outcomes.map((outcome) => (outcome.kind === 'done' ? outcome.reply : Number.NaN));
  return signed.reduce((sum, each) => sum + each, 0) / secondsEach;
}

async function pooledPerSecond(): Promise<number> {
  const begunMs = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - begunMs < secondsEach * 1e3) {
      await pools.sign(received, verdict, 'bulk');
      done += count;
    }
  };
  await Promise.all(Array.from({ length: threads + 1 }, lane));
  return done / ((performance.now() - begunMs) / 1e3);
}

/** CPU of this process's threads only: what others do on the machine is not in it. */
async function measured(work: () => Promise<number>): Promise<[number, number]> {
  const before = process.cpuUsage();
  const begunMs = performance.now();
  const perSecond = await work();
  const { user, system } = process.cpuUsage(before);
  return [perSecond, (user + system) / (perSecond * ((performance.now() - begunMs) / 1e3))];
}

const works = { raw: rawPerSecond, pools: pooledPerSecond };
const names = ['raw', 'pools'] as const;
const perSecond: Record<keyof typeof works, number[]> = { raw: [], pools: [] };
const cpuEach: Record<keyof typeof works, number[]> = { raw: [], pools: [] };
for (const name of names) await works[name]();
for (let round = 0; round < rounds; round++) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const [rate, microseconds] = await measured(works[name]);
    perSecond[name].push(rate);
    cpuEach[name].push(microseconds);
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
const ratios = perSecond.pools.map((value, i) => value / (perSecond.raw[i] ?? Number.NaN));
const cpuRatios = cpuEach.raw.map((value, i) => value / (cpuEach.pools[i] ?? Number.NaN));
console.log(
  `${parameterSet}, ${String(cpus()[0]?.model)}, ${String(threads)} CPUs, load ${loadavg().join(' ')}`,
);
for (const name of names) {
  const all = perSecond[name].map((value) => value.toFixed(0)).join(' ');
  console.log(
    `${name.padEnd(6)} ${median(perSecond[name]).toFixed(0)} signatures/s median (${all}), ` +
      `${median(cpuEach[name]).toFixed(1)} us of CPU each`,
  );
}
console.log(
  `ratio     ${median(ratios).toFixed(3)} median (${ratios.map((r) => r.toFixed(3)).join(' ')})`,
);
console.log(`by CPU    ${median(cpuRatios).toFixed(3)} median`);
await raw.stop(1_000);
await pools.stop(1_000);
