import '../one-realm.js';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { openEmbeddedStore } from '@certmill/adapter-embedded';
import { canonicalProfile, profileHash } from '@certmill/domain';
import {
  builtInProfileNames,
  builtInProfiles,
  builtInProfileText,
  parseProfile,
} from '@certmill/domain/profile-files';
import { freePorts } from '@certmill/native';
import { takeDataFolder } from '@certmill/standalone/folder';
import { patchedStore } from '../crash/patched-store.js';
import { aDataFolder, aServerIn } from './test-server.js';

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
      (await issuance.store.listProfiles(tenant)).map(({ name }) => name);
    for (const tenant of tenants)
      expect(await names(tenant)).toEqual([...builtInProfileNames].sort());
    expect((await issuance.store.findProfile('tenant-7', 'tls-client'))?.hash).toBe(hash);
    expect(await issuance.services.openTenant('tenant-7')).toBe(false);
    expect((await issuance.store.findProfile('tenant-8', 'tls-client'))?.hash).not.toBe(hash);
  });
});
