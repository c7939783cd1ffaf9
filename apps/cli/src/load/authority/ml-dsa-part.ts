import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { simulateDevice } from '../device-request.js';
import { benchChunk } from './bench-chunk.js';
import { openBenchPools } from './bench-pools.js';
import { inTurn, median, rounded, tellFigures, type PartOptions } from './part.js';

/**
 * Certificates of ML-DSA-44 devices under an ML-DSA-44 issuer, signed by sign's pools on all cores,
 * beside what node:crypto signs there in a tight loop: messages of the same size, in turn.
 */
export interface MlDsaFigures {
  /** Medians of the rounds. */
  readonly issuedPerSecond: number;
  readonly rawPerSecond: number;
  /** Of each round; and their median. */
  readonly ratios: readonly number[];
  readonly ratio: number;
}

/** As many as have room in a chunk's 512 KiB. */
const perChunk = 64;

await tellFigures(measureMlDsa);

async function measureMlDsa({ directory, rounds, seconds }: PartOptions): Promise<MlDsaFigures> {
  const threads = availableParallelism();
  const issuer = 'bench';
  const pools = await openBenchPools(directory, [{ name: issuer, keyType: 'ml-dsa-44' }], threads);
  const devices = Array.from({ length: perChunk }, (_, i) =>
    simulateDevice(`device-${String(i)}`, 'ml-dsa-44'),
  );
  const { received, verdict } = benchChunk(issuer, pools.serialKeyId, devices);
  const raw = Array.from(
    { length: threads },
    () => new Worker(new URL('./raw-signatures.worker.js', import.meta.url)),
  );

  const figures = await inTurn(rounds, {
    raw: async () => {
      const signed = raw.map(async (worker) => {
        worker.postMessage(seconds * 1e3);
        const [count] = (await once(worker, 'message')) as [number];
        return count;
      });
      return (await Promise.all(signed)).reduce((sum, count) => sum + count, 0) / seconds;
    },
    issued: async () => {
      const begunMs = performance.now();
      let done = 0;
      const caller = async (): Promise<void> => {
        while (performance.now() - begunMs < seconds * 1e3) {
          await pools.sign(received, verdict, 'bulk');
          done += perChunk;
        }
      };
      await Promise.all(Array.from({ length: threads + 1 }, caller));
      return done / ((performance.now() - begunMs) / 1e3);
    },
  });

  await Promise.all(raw.map((worker) => worker.terminate()));
  await pools.stop(1_000);
  const ratios = figures.issued.map((rate, i) => rounded(rate / (figures.raw[i] ?? 0), 3));
  return {
    issuedPerSecond: Math.round(median(figures.issued)),
    rawPerSecond: Math.round(median(figures.raw)),
    ratios,
    ratio: median(ratios),
  };
}
