import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { openExaminationPool } from './examination/open-examination-pool.js';
import { openSigningPools } from './sign/open-signing-pools.js';
import { aChunk, tlsClientText } from './testing/a-chunk.js';
import { anIssuer, asSigningIssuer } from './testing/an-issuer.js';

/**
 * Run by hand: `node libs/signing/dist/signing.bench.js [seconds per figure]`. One worker each, chunks of
 * 256 P-256 requests, beside node's own crypto in the same run; the order is turned round by round,
 * and the best and the median round are told.
 */
const secondsEach = Number(process.argv[2] ?? 1);
const rounds = 3;
const count = 256;

function raw(work: () => void): Promise<number> {
  const begun = process.hrtime.bigint();
  let done = 0;
  while (elapsedUs(begun) < secondsEach * 1e6) {
    for (let i = 0; i < 100; i++) work();
    done += 100;
  }
  return Promise.resolve(elapsedUs(begun) / done);
}

async function pooled(inHand: number, submit: () => Promise<unknown>): Promise<number> {
  await submit();
  const begun = process.hrtime.bigint();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (elapsedUs(begun) < secondsEach * 1e6) {
      await submit();
      done += count;
    }
  };
  await Promise.all(Array.from({ length: inHand }, lane));
  return elapsedUs(begun) / done;
}

function elapsedUs(begun: bigint): number {
  return Number(process.hrtime.bigint() - begun) / 1e3;
}

const { received, verdict } = aChunk({ count });
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const tbs = Buffer.alloc(450, 1);
const signature = sign('sha256', tbs, key.privateKey);
const pem = key.publicKey.export({ type: 'spki', format: 'pem' });
const publicKey = createPublicKey(pem);

const examiner = await openExaminationPool({
  profiles: () => tlsClientText,
  threads: 1,
});
const signer = await openSigningPools({
  issuers: [asSigningIssuer(anIssuer())],
  profiles: () => tlsClientText,
  serialKeys: [{ id: 1, key: Buffer.alloc(16, 7) }],
  threadsPerSlot: 1,
});

const figures: Readonly<Record<string, () => Promise<number>>> = {
  'crypto.sign, KeyObject': () => raw(() => sign('sha256', tbs, key.privateKey)),
  'sign, one worker': () => pooled(3, () => signer.sign(received, verdict, 'bulk')),
  'crypto.verify, PEM': () => raw(() => verify('sha256', tbs, pem, signature)),
  'crypto.verify, KeyObject': () => raw(() => verify('sha256', tbs, publicKey, signature)),
  'examine, one worker': () => pooled(3, () => examiner.examine(received, 'bulk')),
  'examine, interactive, 256 at once': () =>
    pooled(1, () => examiner.examine(received, 'interactive')),
};

const results = new Map<string, number[]>();
for (let round = 0; round < rounds; round++) {
  const names = Object.keys(figures);
  for (const name of round % 2 === 0 ? names : names.reverse()) {
    results.set(name, [...(results.get(name) ?? []), (await figures[name]?.()) ?? 0]);
  }
}

/** One enrolment after the other through both pools, while both are full of bulk chunks. */
async function enrolments(seconds: number): Promise<number[]> {
  const single = aChunk({ count: 1, received: { lane: 'interactive' } });
  let isOver = false;
  const bulk = Array.from({ length: 6 }, async () => {
    while (!isOver) {
      await examiner.examine(received, 'bulk');
      await signer.sign(received, verdict, 'bulk');
    }
  });
  const latencies: number[] = [];
  const begun = process.hrtime.bigint();
  while (elapsedUs(begun) < seconds * 1e6) {
    const one = process.hrtime.bigint();
    await examiner.examine(single.received, 'interactive');
    await signer.sign(single.received, single.verdict, 'interactive');
    latencies.push(elapsedUs(one));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  isOver = true;
  await Promise.all(bulk);
  return latencies.sort((left, right) => left - right);
}

console.log(
  `${String(cpus()[0]?.model)}, ${String(availableParallelism())} CPUs, load ${loadavg().join(' ')}`,
);
for (const [name, values] of results) {
  const [best = 0, median = 0] = values.sort((left, right) => left - right);
  console.log(`${name.padEnd(36)} ${best.toFixed(1)} us best, ${median.toFixed(1)} us median`);
}
const latencies = await enrolments(secondsEach * 4);
const quantile = (part: number): string =>
  ((latencies[Math.floor(latencies.length * part)] ?? 0) / 1e3).toFixed(1);
console.log(
  `one enrolment beside full bulk pools: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms ` +
    `(${String(latencies.length)} samples)`,
);
await examiner.stop(1_000);
await signer.stop(1_000);
