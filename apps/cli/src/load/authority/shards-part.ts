import { simulateDevice } from '../device-request.js';
import { benchChunk } from './bench-chunk.js';
import { openBenchPools } from './bench-pools.js';
import { inTurn, median, rounded, tellFigures, type PartOptions } from './part.js';

/**
 * CPU of sign's worker for a certificate that names the CRL of its shard, a responder and its issuer,
 * and for one that names none of them; P-256, in turn.
 */
export interface ShardFigures {
  readonly crlShards: number;
  /** Medians of the rounds. */
  readonly withMicroseconds: number;
  readonly withoutMicroseconds: number;
}

const crlShards = 16;
const perChunk = 256;

await tellFigures(measureShards);

async function measureShards({ directory, rounds, seconds }: PartOptions): Promise<ShardFigures> {
  const status = { baseUri: 'http://status.example.com', crlShards };
  const pools = await openBenchPools(directory, [{ name: 'with', status }, { name: 'without' }], 1);
  const devices = Array.from({ length: perChunk }, (_, i) => simulateDevice(`device-${String(i)}`));
  const microseconds = (issuer: string): (() => Promise<number>) => {
    const { received, verdict } = benchChunk(issuer, pools.serialKeyId, devices);
    return async () => {
      const begunMs = performance.now();
      const before = await pools.cpuMicroseconds();
      let done = 0;
      const caller = async (): Promise<void> => {
        while (performance.now() - begunMs < seconds * 1e3) {
          await pools.sign(received, verdict, 'bulk');
          done += perChunk;
        }
      };
      await Promise.all([caller(), caller()]);
      return ((await pools.cpuMicroseconds()) - before) / done;
    };
  };
  const figures = await inTurn(rounds, {
    with: microseconds('with'),
    without: microseconds('without'),
  });
  await pools.stop(1_000);
  return {
    crlShards,
    withMicroseconds: rounded(median(figures.with), 2),
    withoutMicroseconds: rounded(median(figures.without), 2),
  };
}
