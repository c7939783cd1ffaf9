import '../one-realm.js';
import { hash } from 'node:crypto';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import {
  backUpDataFolder,
  backUpStoppedFolder,
  holdsPassphrase,
  openStoreForReading,
  restoreDataFolder,
  takeDataFolder,
  verifyFolder,
  type SyncDisk,
} from '@certmill/standalone/folder';
import { pemEncode } from '@certmill/der';
import { buildCrl, type CrlKind, defaultCrlPolicy } from '@certmill/pipeline';
import {
  completeAuthority,
  createRoot,
  developmentPassphraseFileOf,
  distinguishedNameDer,
  issueCaCrl,
  issuerPathsOf,
  openAuditFolder,
  requestAuthority,
  signAuthorityRequest,
} from '@certmill/trust';
import { openApprovalFolder, readApprovalFolder } from '@certmill/trust/approvals';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { issueFiles, revoke, run } from '../status/certificate-holder.js';
import { anOrder, aServer, aServerIn, ndjson, passphrase, type TestServer } from './test-server.js';

let server: TestServer;
let parent = '';
/** A whole backup. */
let saved = '';
let targets = 0;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certmill-backup-'));
  server = await aServer();
  await anOrder(server, 'o1');
  const uploaded = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': 'b1' },
    body: ndjsonOf(csrsOf(20, 'backup')),
  });
  const { batchId } = (await uploaded.json()) as { batchId: string };
  await (await server.call('GET', `/v1/batches/${batchId}/manifest?follow=true`)).text();
  await openApprovalFolder(server.data).useApprovals(usedApprovals);
  await openAuditFolder(server.data).appendAudit(auditEntry);
  saved = join(parent, 'saved');
  await backUpDataFolder(server.data, server.server.issuance, saved);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(parent, { recursive: true, force: true });
});

const auditEntry = { atMs: 1, actor: 'somebody', action: 'ca.init.ended', detail: {} };
const usedApprovals = {
  operationId: 'ab'.repeat(16),
  useId: 'run-1',
  usedAt: '2026-11-22T12:00:00.000Z',
  kind: 'mass-revocation',
  sha256: 'cd'.repeat(32),
  approvals: [{ approver: 'alice' }],
};

const target = (): string => join(parent, `target-${String(targets++)}`);

/** Notes what is made durable, in order; fails at one of the steps where told to. */
class WatchedDisk implements SyncDisk {
  readonly synced: string[] = [];
  readonly #failAt: number;
  readonly #code: string;

  constructor(failAt = Infinity, code = 'EIO') {
    this.#failAt = failAt;
    this.#code = code;
  }

  syncFile(path: string): Promise<void> {
    return this.#sync(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#sync(path);
  }

  #sync(path: string): Promise<void> {
    if (this.synced.length === this.#failAt) {
      return Promise.reject(Object.assign(new Error('it failed'), { code: this.#code }));
    }
    this.synced.push(path);
    return Promise.resolve();
  }
}

async function everythingIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return [folder, ...entries.map(({ parentPath, name }) => join(parentPath, name))];
}

describe('a backup', () => {
  it('says that it is complete once every file and folder of it is durable', async () => {
    const disk = new WatchedDisk();
    const directory = target();
    await backUpDataFolder(server.data, server.server.issuance, directory, disk);
    const mark = join(directory, 'backup.json');
    const before = disk.synced.slice(0, disk.synced.indexOf(mark));
    const wanted = (await everythingIn(directory)).filter((path) => path !== mark);
    expect(wanted.length).toBeGreaterThan(15);
    expect([...before].sort()).toEqual([...wanted, dirname(directory)].sort());
    // A folder after what is in it.
    for (const [i, path] of before.entries())
      expect(before.slice(0, i)).not.toContain(dirname(path));
    expect(disk.synced.slice(before.length)).toEqual([mark, directory]);
  });

  it.each([
    ['EIO', 'FAULT_STORE_DOWN'],
    ['ENOSPC', 'FAULT_DISK_FULL'],
  ])('that meets %s at any step is %s and leaves nothing', async (systemCode, code) => {
    const whole = new WatchedDisk();
    await backUpDataFolder(server.data, server.server.issuance, target(), whole);
    for (const failAt of [0, Math.floor(whole.synced.length / 2), whole.synced.length - 1]) {
      const directory = target();
      const disk = new WatchedDisk(failAt, systemCode);
      await expect(
        backUpDataFolder(server.data, server.server.issuance, directory, disk),
      ).rejects.toMatchObject({ code });
      expect(existsSync(directory)).toBe(false);
    }
  });

  it('keeps approvals used up, and the trail from before there was a store', async () => {
    expect(await readApprovalFolder(saved)).toEqual([usedApprovals]);
    expect(await openAuditFolder(saved).listAudit({ limit: 9 })).toMatchObject([auditEntry]);
  });

  it('that was cut off is not restored', async () => {
    const cut = target();
    await cp(saved, cut, { recursive: true });
    await rm(join(cut, 'backup.json'));
    await expect(restoreDataFolder(cut, target())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await writeFile(join(cut, 'backup.json'), '{"formatVersion":2}');
    await expect(restoreDataFolder(cut, target())).rejects.toMatchObject({
      code: 'DATA_FORMAT_UNSUPPORTED',
    });
  });

  it('tells whether a passphrase is in it', async () => {
    expect(holdsPassphrase(saved)).toBe(false);
    const withPassphrase = target();
    const file = developmentPassphraseFileOf(withPassphrase);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'in clear');
    expect(holdsPassphrase(withPassphrase)).toBe(true);
  });
});

/** The hash of each file by path, of folders none. */
async function octetsOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const octets = new Map<string, string>();
  for (const path of await everythingIn(folder)) {
    const isFile = (await stat(path)).isFile();
    octets.set(path, isFile ? hash('sha256', await readFile(path)) : '');
  }
  return octets;
}

async function epochOf(data: string): Promise<string> {
  const folder = takeDataFolder(data);
  const opened = await openEmbeddedStore({ directory: folder.store, clock: { nowMs: () => 1 } });
  const epoch = await opened.storeEpoch();
  await opened.close();
  folder.release();
  return Buffer.from(epoch).toString('hex');
}

describe('a backup that was verified', () => {
  it('is the same octets, and each restore of it has an epoch of its own', async () => {
    const before = await octetsOf(saved);
    await using opened = await openStoreForReading(saved);
    expect(await verifyFolder(opened, () => undefined)).toMatchObject({
      findings: [],
      certificates: 20,
    });
    expect(await octetsOf(saved)).toEqual(before);
    const restored = [target(), target()] as const;
    for (const directory of restored) await restoreDataFolder(saved, directory);
    expect(await epochOf(restored[0])).not.toBe(await epochOf(restored[1]));
  });

  it('by a release that gave it an epoch gives it to no restore', async () => {
    const marked = target();
    await cp(saved, marked, { recursive: true });
    const database = new DatabaseSync(join(marked, 'store/certmill.db'));
    const epoch = Buffer.alloc(16, 7);
    database.prepare("INSERT INTO meta VALUES ('store_epoch', ?)").run(epoch);
    database.close();
    const directory = target();
    await restoreDataFolder(marked, directory);
    expect(await epochOf(directory)).not.toBe(epoch.toString('hex'));
  });

  it('is no data folder: nothing works in it before it is restored', async () => {
    const before = await octetsOf(saved);
    const conflict: unknown = expect.objectContaining({
      code: 'CONFLICT',
      message: expect.stringContaining('restore it') as string,
    });
    expect(() => takeDataFolder(saved)).toThrow(conflict as Error);
    expect(await octetsOf(saved)).toEqual(before);
  });
});

describe('opening for reading', () => {
  it('changes nothing in a folder that was killed at work', async () => {
    const copy = target();
    // As a kill leaves it: the database's log is not moved into it, files are longer than recorded.
    await cp(server.data, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    const [segment = ''] = await readdir(join(copy, 'store/segments'));
    await appendFile(join(copy, 'store/segments', segment), 'never acknowledged');
    await writeFile(join(copy, 'store/segments/0000000099.segment'), 'never recorded');
    await writeFile(join(copy, 'store/claims/0000000099.run'), 'never recorded');
    expect((await stat(join(copy, 'store/certmill.db-wal'))).size).toBeGreaterThan(0);
    const before = await octetsOf(copy);
    await using opened = await openStoreForReading(copy);
    expect(await verifyFolder(opened, () => undefined)).toMatchObject({
      findings: [],
      certificates: 20,
    });
    expect(await octetsOf(copy)).toEqual(before);
  });

  it('makes nothing where there is no store: NOT_FOUND', async () => {
    const nowhere = target();
    const other = target();
    await mkdir(join(other, 'store'), { recursive: true });
    for (const directory of [nowhere, other]) {
      await expect(openStoreForReading(directory)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(existsSync(nowhere)).toBe(false);
    expect(await everythingIn(other)).toEqual([other, join(other, 'store')]);
  });
});

describe('a restore', () => {
  it('is durable before the folder may be opened', async () => {
    const disk = new WatchedDisk();
    const directory = target();
    await restoreDataFolder(saved, directory, disk);
    const mark = join(directory, 'restoring');
    expect(disk.synced.slice(0, 2)).toEqual([mark, directory]);
    expect(disk.synced.at(-1)).toBe(directory);
    for (const path of await everythingIn(directory)) expect(disk.synced).toContain(path);
    await using opened = await openStoreForReading(directory);
    expect(await verifyFolder(opened, () => undefined)).toMatchObject({
      findings: [],
      certificates: 20,
    });
  });

  it('has the CAs that wait for their certificates, and the records of ceremonies', async () => {
    const source = target();
    const offline = target();
    const [passphrase, nowMs] = ['only for this test', Date.now()];
    const named = (name: string) => ({
      subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
      keyType: 'ec-p256' as const,
    });
    const wish = { name: 'factory', directory: source, passphrase, pathLenConstraint: 0 };
    const { requestPem } = await requestAuthority({ ...wish, ...named('factory') });
    await mkdir(join(source, 'ceremonies/root-00'), { recursive: true });
    await writeFile(join(source, 'ceremonies/root-00/transcript.json'), '{}');
    // What another command has begun a moment ago is no request yet.
    await mkdir(join(source, 'ca-requests/other.0123456789ab.tmp'));
    const copy = target();
    await backUpStoppedFolder(source, copy);
    await rm(source, { recursive: true });
    const restored = target();
    await restoreDataFolder(copy, restored);
    expect(await readdir(join(restored, 'ca-requests'))).toEqual(['factory']);
    expect(await readdir(join(restored, 'ceremonies/root-00'))).toEqual(['transcript.json']);
    await createRoot({ directory: offline, passphrase, ...named('root') }, nowMs);
    const root = { directory: offline, name: 'root', passphrase };
    const { chainDer } = await signAuthorityRequest({ requestPem, parent: root, nowMs });
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    const options = { directory: restored, name: 'factory', chainPem, passphrase, nowMs };
    expect(await completeAuthority(options)).toMatchObject({ role: 'issuing', hasKey: true });
    // The folder of an offline root is saved too, and has no store of its own.
    const rootCopy = target();
    await backUpStoppedFolder(offline, rootCopy);
    expect(await readdir(join(rootCopy, 'ca/root'))).toContain('key.pem');
  });

  it('that fails leaves an empty folder, and one that was cut off is not opened', async () => {
    const directory = target();
    const disk = new WatchedDisk(5, 'ENOSPC');
    await expect(restoreDataFolder(saved, directory, disk)).rejects.toMatchObject({
      code: 'FAULT_DISK_FULL',
    });
    expect(await readdir(directory)).toEqual([]);
    await restoreDataFolder(saved, directory);
    await writeFile(join(directory, 'restoring'), '');
    await expect(openStoreForReading(directory)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
    });
  });
});

describe('a restore of a server that revokes', () => {
  const status = { baseUri: 'http://pki.example', crlShards: 0 };
  const config = {
    crls: { deltaLifetimeHours: 24 },
    ocsp: { issuers: { dev: { presign: 'all', presignedHours: 3 } } },
  };
  const scope = { issuer: 'dev', shard: 0 };
  const policy = { ...defaultCrlPolicy, deltaLifetimeMs: 24 * 3_600_000 };
  const made = async (from: TestServer, kind: CrlKind): Promise<bigint> => {
    const { store, signer, services } = from.server.issuance;
    const ports = { revocations: store, crls: store, signer, clock: services.clock };
    return (await buildCrl(ports, policy, scope, kind)).crlNumber;
  };

  it('knows what was revoked and held, by CRLs above all that were published, and by OCSP', async () => {
    const copy = target();
    let published = 0n;
    const original = await aServer({}, {}, { status, config });
    await using files = await issueFiles(original, 4);
    try {
      await revoke(original, files, 0, 'keyCompromise');
      await revoke(original, files, 1, 'certificateHold');
      await made(original, 'full');
      await made(original, 'delta');
      await backUpDataFolder(original.data, original.server.issuance, copy);
      // What is published after it is what the restored folder cannot know.
      await revoke(original, files, 2, 'superseded');
      await made(original, 'full');
      published = await made(original, 'delta');
    } finally {
      await original[Symbol.asyncDispose]();
    }
    const data = target();
    await restoreDataFolder(copy, data);
    await writeFile(join(data, 'test-passphrase'), passphrase);
    await using restored = await aServerIn(data, { config });
    const { store } = restored.server.issuance;
    const inForce = async (kind: CrlKind): Promise<Uint8Array> => {
      for (;;) {
        const crl = await store.getCrl(scope, kind);
        if (crl !== undefined && crl.crlNumber > published) return crl.der;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const root = { directory: data, name: 'root', passphrase };
    const crls: string[] = [];
    for (const [name, der] of [
      ['root', (await issueCaCrl(root, 86_400, Date.now())).der],
      ['full', await inForce('full')],
      ['delta', await inForce('delta')],
    ] as const) {
      const file = join(data, `${name}.crl.pem`);
      await writeFile(file, pemEncode('X509 CRL', der));
      crls.push('-CRLfile', file);
    }
    const issuer = issuerPathsOf(data, 'dev').certificateFile;
    const anchor = ['-CAfile', issuerPathsOf(data, 'root').certificateFile];
    const verdicts = files.certificates.map(async (file) => {
      const under = [...anchor, '-untrusted', issuer, ...crls, file];
      const deltas = ['-crl_check_all', '-extended_crl', '-use_deltas'];
      return (await run('openssl', 'verify', '-x509_strict', ...deltas, ...under)).text;
    });
    expect(await Promise.all(verdicts)).toEqual([
      ...Array<unknown>(2).fill(expect.stringContaining('certificate revoked')),
      ...Array<unknown>(2).fill(expect.stringContaining(': OK')),
    ]);
    const asked = files.certificates.flatMap((file) => ['-cert', file]);
    const told = ['ocsp', ...anchor, '-issuer', issuer, '-url', `${restored.url}/ocsp`];
    const { text } = await run('openssl', ...told, '-no_nonce', ...asked);
    expect(text).toMatch(
      /0\.pem: revoked[^]*keyCompromise[^]*1\.pem: revoked[^]*certificateHold[^]*2\.pem: good[^]*3\.pem: good/,
    );
    const [first = ''] = files.certificates;
    const alone = await run('openssl', ...told, '-no_nonce', '-cert', first);
    expect(alone.text).toMatch(/0\.pem: revoked[^]*keyCompromise/);
  });
});
