import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import { fillRevocations, type ChangedRow } from '@certmill/adapter-embedded/bench';
import { revocationReasons } from '@certmill/domain';
import { buildCrl, defaultCrlPolicy } from '@certmill/pipeline';
import { openBenchPools } from './bench-pools.js';
import { rounded, tellFigures, type PartOptions } from './part.js';

/** A full CRL of one scope, from the sealed rows of the embedded store to the CRL in force there. */
export interface CrlFigures {
  readonly entries: number;
  readonly bytes: number;
  /** Of each round: read, checked (ADR 0035), packed, built and signed in a slot's worker, stored and fsynced. */
  readonly seconds: readonly number[];
  /** Of the whole process, at its highest. */
  readonly maxRssBytes: number;
}

await tellFigures(measureCrls);

async function measureCrls({ directory, crlEntries, rounds }: PartOptions): Promise<CrlFigures> {
  const scope = { issuer: 'bench', shard: 0 };
  const clock = { nowMs: () => Date.now() };
  const statusSecret = randomBytes(32);
  const storeOptions = { directory: join(directory, 'store'), clock, statusSecret };
  await (await openEmbeddedStore(storeOptions)).close();
  const nowMs = clock.nowMs();
  fillRevocations(
    storeOptions.directory,
    statusSecret,
    revokedRows(scope, crlEntries, nowMs),
    nowMs,
  );
  const store = await openEmbeddedStore(storeOptions);
  const signer = await openBenchPools(directory, [{ name: scope.issuer }], 1);
  const ports = { revocations: store, crls: store, signer, clock };
  const seconds: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const begunMs = performance.now();
    const built = await buildCrl(ports, defaultCrlPolicy, scope, 'full');
    seconds.push(rounded((performance.now() - begunMs) / 1e3, 2));
    ({ bytes } = built);
    if (built.entries !== crlEntries) throw new RangeError(`${String(built.entries)} entries`);
  }
  await signer.stop(1_000);
  await store.close();
  const maxRssBytes = process.resourceUsage().maxRSS * 1_024;
  return { entries: crlEntries, bytes, seconds, maxRssBytes };
}

/** Random serial numbers of one scope. */
function* revokedRows(
  scope: ChangedRow[0]['scope'],
  entries: number,
  nowMs: number,
): Generator<ChangedRow> {
  for (let index = 0; index < entries; index += 1) {
    const serialNumber = randomBytes(20);
    serialNumber[0] = 1;
    const reason = revocationReasons[index % revocationReasons.length] ?? 'unspecified';
    const status = { state: 'revoked', reason, atMs: nowMs - index } as const;
    yield [{ scope, serialNumber, notAfterMs: nowMs + 1e10 }, status];
  }
}
