import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  initCollections,
  openMongoStore,
  openStoreImport,
  type StoreImport,
} from '@certmill/adapter-mongo';
import { canonicalProfile } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { makeRunFolder, MongoStandIn } from '@certmill/native';
import { buildCrl, defaultCrlPolicy, statusSealsOf } from '@certmill/pipeline';
import { openSigningPools, softwareSlot } from '@certmill/signing';
import { createHierarchy, openSerialKeys } from '@certmill/trust';

/**
 * How long a full CRL takes a fleet, from the rows of one scope in its store to the CRL in force there; run by
 * hand: `node e2e/dist/fleet/crl.bench.js [entries [rounds]]`, and for its memory with the flags of Node that
 * `apps/sign/bin` has. The store is MongoDB's stand-in, a process
 * of its own on the same cores, unless MONGODB_URI names a database server, in which a database
 * `certmill-crl-bench-...` is left. Prints one JSON object.
 */
const entries = Number(process.argv[2] ?? '1000000');
const rounds = Number(process.argv[3] ?? '1');
const scope = { issuer: 'bench', shard: 0 };
const clock = { nowMs: () => Date.now() };
const dayMs = 86_400_000;
const secret = randomBytes(32);
const statusSeals = statusSealsOf({
  sealing: { id: 'bench', secret },
  opening: new Map([['bench', secret]]),
});

const folder = await makeRunFolder();
const given = process.env['MONGODB_URI'];
const standIn =
  given === undefined
    ? await MongoStandIn.start({
        folder: join(folder, 'mongo'),
        data: 'file',
        heapMegabytes: 1_024,
      })
    : undefined;
try {
  const uri = given ?? standIn?.uri ?? '';
  const at = { uri, database: `certmill-crl-bench-${randomBytes(4).toString('hex')}` };
  await initCollections(at);
  const into = await openStoreImport({ ...at, clock, statusSeals });
  await into.begin('bench', randomBytes(16));
  await fill(into);
  await into.end('bench');
  await into.stop();
  process.stdout.write(`${JSON.stringify(await measured(at))}\n`);
} finally {
  await standIn?.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Rows as revocations leave them, in the order of their serial numbers, which are random else. */
async function fill(store: StoreImport): Promise<void> {
  const rows = store.revocations(scope);
  const nowMs = clock.nowMs();
  for (let index = 0; index < entries; index += 1) {
    const serialNumber = randomBytes(20);
    serialNumber[0] = 1;
    serialNumber.writeUInt32BE(index, 1);
    await rows.add({
      serialNumber,
      reason: index % 2 === 0 ? 'superseded' : 'keyCompromise',
      revokedAtMs: nowMs - index,
      notAfterMs: nowMs + 365 * dayMs,
      change: index + 1,
    });
  }
  await rows.finish();
}

async function measured(at: { readonly uri: string; readonly database: string }) {
  const passphraseFile = join(folder, 'passphrase');
  const cacheDirectory = join(folder, 'cache');
  const passphrase = 'only for this bench';
  await writeFile(passphraseFile, passphrase, { mode: 0o600 });
  await mkdir(cacheDirectory);
  const name = scope.issuer;
  const made = await createHierarchy({ name, directory: folder, passphrase, nowMs: clock.nowMs() });
  const slot = softwareSlot({
    name: 'file',
    keyFile: made.keyFile,
    passphrase: { file: passphraseFile },
  });
  const profile = builtInProfiles().get('tls-client');
  const signer = await openSigningPools({
    issuers: [{ name, chainDer: made.chainDer, slots: [slot] }],
    profiles: () => profile && canonicalProfile(profile),
    serialKeys: (await openSerialKeys(folder)).all,
    threadsPerSlot: 1,
    lanes: ['bulk'],
  });
  const store = await openMongoStore({ ...at, clock, cacheDirectory, statusSeals });
  try {
    const ports = { revocations: store, crls: store, signer, clock };
    const seconds: number[] = [];
    let bytes = 0;
    for (let round = 0; round < rounds; round += 1) {
      const begunMs = performance.now();
      const built = await buildCrl(ports, defaultCrlPolicy, scope, 'full');
      seconds.push(Math.round((performance.now() - begunMs) / 10) / 100);
      ({ bytes } = built);
      if (built.entries !== entries) throw new RangeError(`${String(built.entries)} entries`);
    }
    const maxRssMebibytes = Math.round(process.resourceUsage().maxRSS / 1_024);
    return { entries, bytes, seconds, maxRssMebibytes };
  } finally {
    await store.stop(1_000);
    await signer.stop(1_000);
  }
}
