import '../one-realm.js';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';
import { groups, topics } from '@certmill/events';
import {
  backUpStoppedFolder,
  openStoreForReading,
  restoreDataFolder,
  verifyFolder,
  type OpenedStore,
  type VerifiedFolder,
} from '@certmill/standalone/folder';
import { createHierarchy, loadIssuers, type Issuer, type VerifiedStore } from '@certmill/trust';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServerIn, ndjson } from './test-server.js';

const { bulk } = topics.requestsReceived;
let parent = '';
let data = '';
/** What validate does with a chunk: decides it, gives it up, or holds it for ever. */
let mode: 'decide' | 'give up' | 'hold' = 'decide';

function aroundStore(store: EmbeddedStore): EmbeddedStore {
  return patchedStore(store, {
    async getVerdict(chunk) {
      if (mode === 'hold') await new Promise(() => undefined);
      if (mode === 'give up') throw new CertmillError('FAULT_PROCESSING', 'poison');
      return store.getVerdict(chunk);
    },
  });
}

/** A folder with a batch that ended, a dead letter, and a batch of two chunks and one more still in the log. */
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certmill-verify-'));
  data = join(parent, 'data');
  await mkdir(data);
  const setup = { config: { stopTimeoutMs: 300 } };
  const server = await aServerIn(data, setup, {}, { aroundStore });
  await anOrder(server, 'o1');
  for (const [next, key, count] of [
    ['decide', 'decided', 5],
    ['give up', 'given-up', 5],
    ['hold', 'held', 300],
    // A broken record is told from a torn write by what was written after it.
    ['hold', 'after', 5],
  ] as const) {
    mode = next;
    const uploaded = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': key },
      body: ndjsonOf(csrsOf(count, key)),
    });
    const { batchId } = (await uploaded.json()) as { batchId: string };
    for (let inFlight = -1; inFlight !== (next === 'hold' ? count : 0);) {
      const batch = await server.call('GET', `/v1/batches/${batchId}`);
      ({ inFlight } = ((await batch.json()) as { counters: { inFlight: number } }).counters);
    }
  }
  await server[Symbol.asyncDispose]();
});

afterAll(() => rm(parent, { recursive: true, force: true }));

let copies = 0;
/** Verifies a copy of the folder after something was done to it. */
async function verifiedAfter(harm: (log: string) => Promise<void>): Promise<VerifiedStore> {
  const copy = join(parent, `copy-${String(copies++)}`);
  await cp(data, copy, { recursive: true });
  await harm(join(copy, 'log'));
  await using opened = await openStoreForReading(copy);
  return await verifyFolder(opened, () => undefined);
}

async function segmentOf(log: string, topic: string): Promise<string> {
  const names = (await readdir(join(log, topic))).filter((name) => name.endsWith('.log'));
  expect(names).toHaveLength(1);
  return join(log, topic, names[0] ?? '');
}

/** The folder's store, with a scope of which nothing is revoked. */
async function withSealedScope(log: string): Promise<string> {
  const directory = join(log, '../store');
  const statusSecret = await readFile(join(log, '../hop-secret'));
  const clock = { nowMs: () => Date.now() };
  const store = await openEmbeddedStore({ directory, clock, statusSecret });
  await store.notePresigned({ issuer: 'dev', shard: 0 }, 0);
  await store.close();
  return directory;
}

const lost = /^batch \w+, chunk \d: lost: it was accepted, has not ended and is not in the log$/;

describe('verify-store', () => {
  it('finds nothing in a sound folder with chunks in the log and a dead letter', async () => {
    const sound = await verifiedAfter(() => Promise.resolve());
    expect(sound).toMatchObject({ findings: [], certificates: 5, inFlight: 305, batches: 4 });
  });

  it('reports what was accepted as lost where a segment of the log is gone', async () => {
    const { findings } = await verifiedAfter(async (log) => rm(await segmentOf(log, bulk)));
    expect(findings).toEqual([
      expect.stringMatching(/^the log of \S+bulk has lost its records 0 to 1$/),
      ...Array.from({ length: 3 }, () => expect.stringMatching(lost) as string),
    ]);
  });

  it('reports one damaged record of the log and the chunk in it, and reads on', async () => {
    const { findings } = await verifiedAfter(async (log) => {
      const path = await segmentOf(log, bulk);
      const bytes = await readFile(path);
      // In the body of the third record: the first of the batch that is in the log.
      const at = bytes.indexOf('held-17');
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await writeFile(path, bytes);
    });
    expect(findings).toEqual([
      expect.stringMatching(/log: the record at octet \d+ is damaged$/),
      expect.stringMatching(lost),
    ]);
    expect(findings[1]).toContain('chunk 0');
  });

  it('reports a dead letter whose record is gone', async () => {
    const deadLetters = `${bulk}.${groups.validate}.dlq`;
    const { findings } = await verifiedAfter(async (log) => rm(await segmentOf(log, deadLetters)));
    expect(findings).toEqual([
      expect.stringMatching(/^batch \w+, chunk 0: the record of this dead letter is lost/),
    ]);
  });

  it('reports that revocations cannot be checked where the secret of the folder is gone', async () => {
    const { findings } = await verifiedAfter(async (log) => {
      await withSealedScope(log);
      await rm(join(log, '../hop-secret'));
    });
    expect(findings).toEqual([expect.stringMatching(/^hop-secret is missing: .* of 1 CRLs$/)]);
  });

  it('reports rows that were put into a scope without any', async () => {
    const { findings } = await verifiedAfter(async (log) => {
      const db = new DatabaseSync(join(await withSealedScope(log), 'certmill.db'));
      db.exec('INSERT INTO revocations VALUES (1, randomblob(20), 1, 5, NULL, 9, 1)');
      db.close();
    });
    expect(findings.at(-1)).toMatch(/^the CRL of 'dev', shard 0: .*others than were recorded/);
  });

  it('reports a chain that does not verify up to its root, and checks the certificates all the same', async () => {
    const other = join(parent, 'other-hierarchy');
    const options = { name: 'dev', directory: other, passphrase: 'x', nowMs: Date.now() };
    const { chainFile } = await createHierarchy(options);
    const foreignRoot = certificatesIn(await readFile(chainFile, 'utf8')).at(-1) ?? '';
    const verified = await verifiedAfter(async (log) => {
      const chain = join(log, '../ca/dev/chain.pem');
      const [own = ''] = certificatesIn(await readFile(chain, 'utf8'));
      await writeFile(chain, own + foreignRoot);
    });
    expect(verified).toMatchObject({
      certificates: 5,
      findings: [
        expect.stringMatching(/^issuer 'dev': the signature of certificate 1 .* does not verify/),
      ],
    });
  });

  const day = 86_400_000;
  it.each<[string, (opened: OpenedStore) => VerifiedFolder, string]>([
    [
      'that does not name its issuer',
      (opened) => withIssuer(opened, ({ chainDer }) => ({ subjectDer: chainDer[0] })),
      'it does not name its issuer',
    ],
    [
      'that begins before its issuer',
      (opened) => withIssuer(opened, () => ({ notBeforeMs: Date.now() + day })),
      "its validity is not within its issuer's",
    ],
    [
      'that outlives its issuer',
      (opened) => withIssuer(opened, () => ({ notAfterMs: Date.now() + day })),
      "its validity is not within its issuer's",
    ],
    [
      'whose validity is not what its profile gives',
      // Certificates begin some minutes before their request, but not before their issuer.
      (opened) => withIssuer(opened, () => ({ notBeforeMs: Date.now() - day })),
      'its validity is not what its profile gives',
    ],
  ])('reports each certificate %s', async (_, change, finding) => {
    await using opened = await openStoreForReading(data);
    const { findings } = await verifyFolder(change(opened), () => undefined);
    const told = findings.filter((each) => each.endsWith(`: ${finding}`));
    expect(told).toEqual(Array(5).fill(expect.stringMatching(/^batch \w+, index \d: /)));
  });

  it('reports a profile that is not there, or is another', async () => {
    await using opened = await openStoreForReading(data);
    const { store } = opened;
    for (const [getProfile, finding] of [
      [() => Promise.resolve(undefined), /: its profile \w{64} is not known here$/],
      [
        async (tenant: string, hash: string) => {
          const profile = await store.getProfile(tenant, hash);
          return profile && { ...profile, canonical: `${profile.canonical} ` };
        },
        /gives no certificates: the stored profile does not have the hash \w{64}$/,
      ],
    ] as const) {
      const patched = patchedStore(store, { getProfile });
      const { findings } = await verifyFolder({ ...opened, store: patched }, () => undefined);
      expect(findings).toEqual([expect.stringMatching(finding)]);
    }
  });
});

describe('a backup of a stopped folder', () => {
  it('needs no passphrase and processes nothing: what is in flight is so in folder and backup', async () => {
    const copy = join(parent, 'stopped');
    await cp(data, copy, { recursive: true });
    const saved = join(parent, 'saved');
    const ended = await runCertmill(['backup', saved, '--data', copy]);
    expect([ended.exitCode, ended.stderr]).toEqual([0, '']);
    for (const folder of [copy, saved]) {
      await using opened = await openStoreForReading(folder);
      const verified = await verifyFolder(opened, () => undefined);
      expect(verified).toMatchObject({ findings: [], certificates: 5, inFlight: 305, batches: 4 });
    }
  });

  it('that holds a CA and was never at work is made too; of no data folder there is none', async () => {
    const fresh = join(parent, 'fresh');
    await createHierarchy({ name: 'dev', directory: fresh, passphrase: 'x', nowMs: Date.now() });
    await backUpStoppedFolder(fresh, join(parent, 'saved-fresh'));
    await restoreDataFolder(join(parent, 'saved-fresh'), join(parent, 'restored-fresh'));
    expect(await loadIssuers(join(parent, 'restored-fresh'))).toHaveLength(1);
    const mistyped = join(parent, 'mistyped');
    await expect(backUpStoppedFolder(mistyped, join(parent, 'saved-none'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(existsSync(mistyped)).toBe(false);
  });
});

function certificatesIn(pem: string): string[] {
  return pem.split(/(?<=-----END CERTIFICATE-----\n)/);
}

function withIssuer(
  opened: OpenedStore,
  change: (issuer: Issuer) => Partial<Record<keyof Issuer, unknown>>,
): VerifiedFolder {
  const issuers = opened.issuers.map((each) => ({ ...each, ...change(each) }) as Issuer);
  return { ...opened, issuers };
}
