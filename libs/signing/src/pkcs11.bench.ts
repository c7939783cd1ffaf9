import { availableParallelism, cpus, loadavg } from 'node:os';
import { openSigningPools } from './sign/open-signing-pools.js';
import { pkcs11Slot } from './slots/pkcs11/pkcs11-slot.js';
import { aChunk, tlsClientText } from './testing/a-chunk.js';
import { anIssuer } from './testing/an-issuer.js';
import { importTokenKey } from './testing/import-token-key.js';
import type { RawOpening } from './testing/raw-signatures.worker.js';
import { TaskPool } from './worker-pool/task-pool.js';

/**
 * Run by hand: `node libs/signing/dist/pkcs11.bench.js [seconds per figure] [rounds]
 * [requests of a chunk]`, with PKCS11_MODULE,
 * PKCS11_TOKEN_LABELS (two, separated by a comma) and PKCS11_PIN_FILE. One P-256 key in two tokens: what
 * C_SignInit and C_Sign alone reach in worker threads, against the signing pools with as many sessions,
 * fed from memory with chunks of 1,024. Both in turn, round by round.
 */
const secondsEach = Number(process.argv[2] ?? 3);
const rounds = Number(process.argv[3] ?? 3);
const count = Number(process.argv[4] ?? 1_024);
const moduleFile = process.env['PKCS11_MODULE'] ?? '';
const tokenLabels = (process.env['PKCS11_TOKEN_LABELS'] ?? '').split(',');
const pinFile = process.env['PKCS11_PIN_FILE'] ?? '';
const keyLabel = `certmill-bench-${String(process.pid)}`;
const threadsPerSlot = Math.max(1, Math.ceil(availableParallelism() / tokenLabels.length));

const issuer = anIssuer();
const imported = tokenLabels.map((tokenLabel) =>
  importTokenKey({
    ...{ moduleFile, tokenLabel, pinFile, key: issuer.privateKey },
    ...{ keyLabel, keyId: Buffer.from(keyLabel) },
  }),
);

const rawPools = tokenLabels.map(
  () =>
    new TaskPool({
      workerFile: new URL('./testing/raw-signatures.worker.js', import.meta.url),
      workerData: {},
      threads: threadsPerSlot,
      lane: 'bulk',
      maxQueue: threadsPerSlot,
      taskTimeoutMs: 600_000,
    }),
);

/** On every thread of every token at once; the sum of the answers. */
async function onRaw(
  handler: string,
  messageFor: (tokenLabel: string) => unknown,
): Promise<number> {
  const outcomes = await Promise.all(
    rawPools.flatMap((pool, i) =>
      Array.from({ length: threadsPerSlot }, () =>
        pool.run<number>(() => ({
          handler,
          message: messageFor(tokenLabels[i] ?? ''),
          transferList: [],
        })),
      ),
    ),
  );
  return outcomes.reduce(
    (sum, outcome) => sum + (outcome.kind === 'done' ? outcome.reply : Number.NaN),
    0,
  );
}

await onRaw('open', (tokenLabel) => {
  return { moduleFile, tokenLabel, pinFile, keyLabel } satisfies RawOpening;
});
const pools = await openSigningPools({
  issuers: [
    {
      name: issuer.name,
      chainDer: [issuer.certificateDer],
      slots: tokenLabels.map((tokenLabel) =>
        pkcs11Slot({ name: tokenLabel, moduleFile, tokenLabel, keyLabel, pinFile }),
      ),
    },
  ],
  profiles: () => tlsClientText,
  serialKeys: [{ id: 1, key: Buffer.alloc(16, 7) }],
  threadsPerSlot,
});
const { received, verdict } = aChunk({ count });

async function pooledPerSecond(): Promise<number> {
  const begunMs = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - begunMs < secondsEach * 1e3) {
      await pools.sign(received, verdict, 'bulk');
      done += count;
    }
  };
  await Promise.all(Array.from({ length: tokenLabels.length * (threadsPerSlot + 1) }, lane));
  return done / ((performance.now() - begunMs) / 1e3);
}

/** The whole process's, of all threads: what other processes do on the machine is not in it. */
async function cpuMicrosecondsEach(work: () => Promise<number>): Promise<[number, number]> {
  const before = process.cpuUsage();
  const begunMs = performance.now();
  const perSecond = await work();
  const { user, system } = process.cpuUsage(before);
  const done = perSecond * ((performance.now() - begunMs) / 1e3);
  return [perSecond, (user + system) / done];
}

const figures = {
  raw: async () => (await onRaw('signRaw', () => secondsEach * 1e3)) / secondsEach,
  pools: pooledPerSecond,
};
const results: Record<keyof typeof figures, number[]> = { raw: [], pools: [] };
const cpu: Record<keyof typeof figures, number[]> = { raw: [], pools: [] };
await onRaw('signRaw', () => 500);
for (let i = 0; i < 4; i++) await pools.sign(received, verdict, 'bulk');
for (let round = 0; round < rounds; round++) {
  const order = ['raw', 'pools'] as const;
  for (const name of round % 2 === 0 ? order : order.toReversed()) {
    const [perSecond, microseconds] = await cpuMicrosecondsEach(figures[name]);
    results[name].push(perSecond);
    cpu[name].push(microseconds);
  }
}

console.log(
  `${String(cpus()[0]?.model)}, ${String(availableParallelism())} CPUs, load ${loadavg().join(' ')}; ` +
    `${String(tokenLabels.length)} tokens, ${String(threadsPerSlot)} sessions each`,
);
const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
for (const name of ['raw', 'pools'] as const) {
  const all = results[name].map((value) => value.toFixed(0)).join(' ');
  console.log(
    `${name.padEnd(6)} ${median(results[name]).toFixed(0)} signatures/s median (${all}), ` +
      `${median(cpu[name]).toFixed(1)} us of CPU each`,
  );
}
const perRound = results.pools.map((value, round) => value / (results.raw[round] ?? Number.NaN));
console.log(
  `ratio  ${median(perRound).toFixed(3)} median (${perRound.map((value) => value.toFixed(3)).join(' ')})`,
);
for (const pool of rawPools) await pool.stop(1_000);
await pools.stop(1_000);
for (const key of imported) key.remove();
