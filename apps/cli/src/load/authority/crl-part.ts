import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import { buildCrl, defaultCrlPolicy } from '@certmill/pipeline';
import { openBenchPools } from './bench-pools.js';
import { rounded, tellFigures, type PartOptions } from './part.js';

/** A full CRL of one scope, from the rows of the embedded store to the CRL in force there. */
export interface CrlFigures {
  readonly entries: number;
  readonly bytes: number;
  /** Of each round: read, packed, built and signed in a slot's worker, stored and fsynced. */
  readonly seconds: readonly number[];
  /** Of the whole process, at its highest. */
  readonly maxRssBytes: number;
}

await tellFigures(measureCrls);

async function measureCrls({ directory, crlEntries, rounds }: PartOptions): Promise<CrlFigures> {
  const scope = { issuer: 'bench', shard: 0 };
  const clock = { nowMs: () => Date.now() };
  const storeDirectory = join(directory, 'store');
  await (await openEmbeddedStore({ directory: storeDirectory, clock })).close();
  fillScope(storeDirectory, scope, crlEntries);
  const store = await openEmbeddedStore({ directory: storeDirectory, clock });
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

/** Rows as revocations leave them: random serial numbers of one scope. */
function fillScope(
  storeDirectory: string,
  scope: { readonly issuer: string; readonly shard: number },
  entries: number,
): void {
  const db = new DatabaseSync(join(storeDirectory, 'certmill.db'));
  db.exec('BEGIN');
  const { seq } = db
    .prepare('INSERT INTO crl_scopes (issuer, shard, changes) VALUES (?, ?, ?) RETURNING seq')
    .get(scope.issuer, scope.shard, entries) as { seq: number };
  const insert = db.prepare('INSERT INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?)');
  const serialNumber = new Uint8Array(20);
  const nowMs = Date.now();
  for (let index = 0; index < entries; index += 1) {
    randomFillSync(serialNumber);
    serialNumber[0] = 1;
    insert.run(seq, serialNumber, 1 + (index % 6), nowMs - index, null, nowMs + 1e10, index + 1);
  }
  db.exec('COMMIT');
  db.close();
}
