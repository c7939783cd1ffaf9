import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
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
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
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
