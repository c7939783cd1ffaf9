import '../one-realm.js';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import { buildCrl, defaultCrlPolicy } from '@certmill/pipeline';
import { canonicalProfile, profileHash } from '@certmill/domain';
import {
  builtInProfileNames,
  builtInProfiles,
  builtInProfileText,
  parseProfile,
} from '@certmill/domain/profile-files';
import { freePorts } from '@certmill/native';
import { takeDataFolder } from '@certmill/standalone/folder';
import {
  createRoot,
  distinguishedNameDer,
  issueAuthority,
  issuerPathsOf,
  parseDistinguishedName,
} from '@certmill/trust';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aCsr } from '../testing/a-csr.js';
import { patchedStore } from '../crash/patched-store.js';
import { run as runProgram } from '../status/certificate-holder.js';
import { aDataFolder, anOrder, aServerIn, passphrase, type TestServer } from './test-server.js';

describe('the first credential', () => {
  it('is left for the next start where the control socket cannot be opened', async () => {
    await using folder = await aDataFolder();
    const socket = join(folder.path, 'control.sock');
    mkdirSync(socket);
    await expect(aServerIn(folder.path)).rejects.toMatchObject({ code: 'ERR_FS_EISDIR' });
    rmSync(socket, { recursive: true });
    await using server = await aServerIn(folder.path);
    expect(server.key).toMatch(/^cm_/);
    expect((await server.call('GET', '/v1/orders')).status).toBe(200);
  });

  it('is left for the next start where the port is taken', async () => {
    await using folder = await aDataFolder();
    const [port = 0] = await freePorts(1);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await expect(aServerIn(folder.path, {}, { port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    other.close();
    await using server = await aServerIn(folder.path, {}, { port });
    expect(server.key).toMatch(/^cm_/);
  });

  it('that cannot be stored is not told, and is made by the next start', async () => {
    await using folder = await aDataFolder();
    const full = aServerIn(
      folder.path,
      {},
      {},
      {
        aroundStore: (store) =>
          patchedStore(store, { addCredential: () => Promise.reject(new RangeError('no room')) }),
      },
    );
    await expect(full).rejects.toThrow('no room');
    await using server = await aServerIn(folder.path);
    expect(server.key).toMatch(/^cm_/);
  });
});

describe('a start after an update', () => {
  it('gives built-in profiles to every tenant, and keeps what a tenant has stored in their place', async () => {
    await using folder = await aDataFolder();
    const builtIn = builtInProfiles().get('tls-client');
    const { version = 0 } = builtIn ?? {};
    const own = builtInProfileText('tls-client').replace(/lifetime: \w+/, 'lifetime: 30d');
    const profile = parseProfile(own, 'own');
    const hash = profileHash(profile);
    expect(builtIn && profileHash(builtIn)).not.toBe(hash);
    const data = takeDataFolder(folder.path);
    const store = await openEmbeddedStore({ directory: data.store, clock: { nowMs: () => 1 } });
    const tenants = Array.from({ length: 1_100 }, (_, n) => `tenant-${String(n)}`);
    await Promise.all(tenants.map((tenant) => store.createTenant(tenant, 1)));
    await store.addProfile({
      ...{ tenant: 'tenant-7', name: 'tls-client', version, hash },
      ...{ canonical: canonicalProfile(profile), addedAtMs: 1 },
    });
    await store.close();
    data.release();

    await using server = await aServerIn(folder.path);
    const { issuance } = server.server;
    expect(issuance.keptProfiles).toEqual([{ name: 'tls-client', version, tenants: ['tenant-7'] }]);
    const names = async (tenant: string) =>
      (await issuance.store.listProfiles(tenant, { limit: 100 })).items.map(({ name }) => name);
    for (const tenant of tenants)
      expect(await names(tenant)).toEqual([...builtInProfileNames].sort());
    expect((await issuance.store.findProfile('tenant-7', 'tls-client'))?.hash).toBe(hash);
    expect(await issuance.services.openTenant('tenant-7')).toBe(false);
    expect((await issuance.store.findProfile('tenant-8', 'tls-client'))?.hash).not.toBe(hash);
  });
});

describe('a start after the end of the only issuer', () => {
  const dayMs = 86_400_000;

  /** A data folder with one issuer, of 40 days. */
  async function anIssuerSince(beganMs: number, data: string): Promise<void> {
    const common = { directory: data, passphrase, keyType: 'ec-p256' } as const;
    const subjectDer = (cn: string) => distinguishedNameDer(parseDistinguishedName(`CN=${cn}`));
    await createRoot({ ...common, subjectDer: subjectDer('root') }, beganMs);
    const wish = { ...common, name: 'dev', subjectDer: subjectDer('dev'), pathLenConstraint: 0 };
    const status = { baseUri: 'http://status.example', crlShards: 1 };
    const root = { directory: data, name: 'root', passphrase };
    await issueAuthority({ ...wish, status, lifetimeSeconds: 40 * 86_400 }, root, beganMs);
    writeFileSync(join(data, 'test-passphrase'), passphrase);
  }

  function enrolled(server: TestServer, key: string, device: string): Promise<Response> {
    return server.call('POST', `/v1/orders/o/certificates?deviceId=${device}`, {
      key,
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(aCsr(device)),
    });
  }

  async function revokeInCrl(server: TestServer, device: string): Promise<void> {
    const json = { deviceIds: [device], reason: 'keyCompromise' };
    expect((await server.call('POST', '/v1/revocations', { json })).status).toBe(200);
    const { store, signer, services } = server.server.issuance;
    const ports = { revocations: store, crls: store, signer, clock: services.clock };
    const scope = { issuer: 'dev', shard: 0 };
    expect(await buildCrl(ports, defaultCrlPolicy, scope, 'full')).toMatchObject({ entries: 1 });
  }

  it('tells what was issued and revoked as before, issues nothing, and makes no CRL', async () => {
    await using folder = await aDataFolder();
    await anIssuerSince(Date.now() - 41 * dayMs, folder.path);
    const then = { clock: { nowMs: () => Date.now() - 40 * dayMs } };
    let key: string;
    {
      await using before = await aServerIn(folder.path, {}, {}, then);
      ({ key } = before);
      const opened = await anOrder(before, 'o', { profile: 'short-lived' });
      expect([opened.status, await opened.text()]).toEqual([201, expect.anything()]);
      for (const device of ['d-1', 'd-2']) {
        expect((await enrolled(before, key, device)).status).toBe(201);
      }
      await revokeInCrl(before, 'd-1');
      expect(before.server.issuance.whyNoneIssues()).toEqual([]);
    }

    {
      await using server = await aServerIn(folder.path);
      expect(server.server.issuance.whyNoneIssues()).toEqual([
        expect.stringMatching(/^issuer 'dev' expired at /),
      ]);
      const call = (method: string, path: string, json?: unknown) =>
        server.call(method, path, { key, ...(json === undefined ? {} : { json }) });
      expect((await call('GET', '/readyz')).status).toBe(200);
      const { items } = (await (await call('GET', '/v1/certificates?deviceId=d-1')).json()) as {
        readonly items: readonly unknown[];
      };
      expect(items).toMatchObject([{ status: 'revoked' }]);
      expect((await call('GET', '/crl/dev/0.crl')).status).toBe(200);
      const order = await anOrder(server, 'late', {}, key);
      expect(await order.json()).toMatchObject({
        ...{ status: 409, code: 'CONFLICT' },
        detail: expect.stringContaining("issuer 'dev' expired at") as string,
      });
      expect(await (await enrolled(server, key, 'd-3')).json()).toMatchObject({
        ...{ status: 409, code: 'CONFLICT' },
        detail: expect.stringContaining('expired at') as string,
      });
      const json = { deviceIds: ['d-2'], reason: 'superseded' };
      expect((await server.call('POST', '/v1/revocations', { key, json })).status).toBe(200);
      const crls = await call('POST', '/v1/issuers/dev/crls', { kind: 'full' });
      expect(await crls.json()).toMatchObject({
        ...{ status: 409, code: 'CONFLICT' },
        detail: "issuer 'dev' has ended: it makes no CRLs",
      });
    }
    const built = await runCertmill(['crl', 'build', 'dev', '--data', folder.path], {
      env: { CERTMILL_CA_PASSPHRASE: passphrase },
    });
    expect([built.exitCode, built.stderr]).toEqual([
      1,
      expect.stringContaining("CONFLICT: issuer 'dev' has ended: it makes no CRLs"),
    ]);
  });

  it('goes on telling where its key was destroyed: the last CRL, OCSP and downloads', async () => {
    await using folder = await aDataFolder();
    await anIssuerSince(Date.now() - dayMs, folder.path);
    let key: string;
    /** As openssl tells it. */
    const toldOf = async ({ server }: TestServer, serial: string): Promise<string> => {
      const { certificateFile, chainFile } = issuerPathsOf(folder.path, 'dev');
      const ask = ['-issuer', certificateFile, '-serial', `0x${serial}`, '-CAfile', chainFile];
      const url = `${server.url}/ocsp`;
      return (await runProgram('openssl', 'ocsp', ...ask, '-url', url)).text;
    };
    const serials: string[] = [];
    {
      await using before = await aServerIn(folder.path);
      ({ key } = before);
      await anOrder(before, 'o', { profile: 'short-lived' });
      for (const device of ['d-1', 'd-2']) {
        expect((await enrolled(before, key, device)).status).toBe(201);
        const found = await before.call('GET', `/v1/certificates?deviceId=${device}`, { key });
        const { items } = (await found.json()) as { items: readonly { serialNumber: string }[] };
        serials.push(items[0]!.serialNumber);
      }
      await revokeInCrl(before, 'd-1');
      expect(await toldOf(before, serials[0]!)).toContain(': revoked');
    }
    rmSync(join(folder.path, 'ca/dev/key.pem'));

    await using server = await aServerIn(folder.path);
    expect(server.server.issuance.whyNoneIssues()).toEqual(["issuer 'dev' has its key elsewhere"]);
    const crl = await server.call('GET', '/crl/dev/0.crl', { key });
    expect(crl.status).toBe(200);
    expect(await toldOf(server, serials[0]!)).toContain(': revoked');
    const found = await server.call('GET', '/v1/certificates?deviceId=d-1', { key });
    expect(await found.json()).toMatchObject({ items: [{ status: 'revoked' }] });
    expect(await (await enrolled(server, key, 'd-3')).json()).toMatchObject({
      ...{ status: 409, code: 'CONFLICT' },
      detail: expect.stringContaining('has its key elsewhere') as string,
    });
    // Nobody can make the CRL that would tell of it; OCSP does, for as long as it has a responder.
    const json = { deviceIds: ['d-2'], reason: 'superseded' };
    expect((await server.call('POST', '/v1/revocations', { key, json })).status).toBe(200);
    expect(await toldOf(server, serials[1]!)).toContain(': revoked');
    const crls = await server.call('POST', '/v1/issuers/dev/crls', { key, json: { kind: 'full' } });
    expect(await crls.json()).toMatchObject({
      ...{ status: 409, code: 'CONFLICT' },
      detail: "issuer 'dev' has its key elsewhere: it makes no CRLs",
    });
  });

  it('is refused before anything was issued where the key is elsewhere', async () => {
    await using folder = await aDataFolder();
    await anIssuerSince(Date.now() - dayMs, folder.path);
    rmSync(join(folder.path, 'ca/dev/key.pem'));
    await expect(aServerIn(folder.path)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: "issuer 'dev' has its key elsewhere",
    });
  });
});
