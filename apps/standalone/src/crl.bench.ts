import { randomFillSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import { buildCrl, defaultCrlPolicy } from '@certmill/pipeline';
import { openSigningPools, softwareSlot } from '@certmill/signing';
import { createHierarchy } from '@certmill/trust';

/**
 * Run by hand: `node apps/standalone/dist/crl.bench.js [entries] [rounds]`. A full CRL of one scope, from
 * the rows of the embedded store to the CRL in force: read, packed, built and signed in a slot's worker,
 * stored and fsynced. Targets: 1,000,000 entries in 10 s and 512 MiB.
 */
const entries = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 3);
const passphrase = 'only for this bench';
const directory = await mkdtemp(join(tmpdir(), 'certmill-crl-bench-'));
const scope = { issuer: 'devices', shard: 0 };
const clock = { nowMs: () => Date.now() };

const passphraseFile = join(directory, 'passphrase');
await writeFile(passphraseFile, passphrase, { mode: 0o600 });
const issuer = await createHierarchy({
  name: scope.issuer,
  directory,
  passphrase,
  nowMs: Date.now(),
});
const storeDirectory = join(directory, 'store');
await (await openEmbeddedStore({ directory: storeDirectory, clock })).close();
fillScope();

const store = await openEmbeddedStore({ directory: storeDirectory, clock });
const signer = await openSigningPools({
  issuers: [
    {
      name: issuer.name,
      chainDer: issuer.chainDer,
      slots: [
        softwareSlot({
          name: 'file',
          keyFile: issuer.keyFile,
          passphrase: { file: passphraseFile },
        }),
      ],
    },
  ],
  profiles: () => undefined,
  serialKeys: [],
  threadsPerSlot: 1,
  lanes: ['bulk'],
});
const ports = { revocations: store, crls: store, signer, clock };
const seconds: number[] = [];
let bytes = 0;
for (let round = 0; round < rounds; round += 1) {
  const begunMs = performance.now();
  const built = await buildCrl(ports, defaultCrlPolicy, scope, 'full');
  seconds.push((performance.now() - begunMs) / 1e3);
  ({ bytes } = built);
  if (built.entries !== entries) throw new RangeError(`${String(built.entries)} entries`);
}
const peakMebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
const machine = `${String(availableParallelism())} x ${cpus()[0]?.model ?? '?'}, node ${process.version}`;
process.stdout.write(
  `${JSON.stringify({
    entries,
    bytes,
    seconds: seconds.map((each) => Number(each.toFixed(2))),
    peakMebibytes,
    machine,
    load: loadavg().map((each) => Number(each.toFixed(1))),
  })}\n`,
);
await signer.stop(1_000);
await store.close();
await rm(directory, { recursive: true });

/** Rows as revocations leave them: random serial numbers of one scope. */
function fillScope(): void {
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
