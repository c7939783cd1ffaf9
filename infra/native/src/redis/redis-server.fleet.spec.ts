import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { makeRunFolder } from '../process/run-folder.js';
import { RedisServer } from './redis-server.js';

let folder: string;
let server: RedisServer;

beforeAll(async () => {
  folder = await makeRunFolder();
  server = await RedisServer.start({ folder });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

test('what was answered before a kill is there after it, at the same address', async () => {
  const { url } = server;
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 50 });
  redis.on('error', () => undefined);
  try {
    let answered = 0;
    const adders = Array.from({ length: 8 }, async () => {
      for (;;) {
        try {
          await redis.incr('count');
        } catch {
          return;
        }
        answered += 1;
        if (answered === 2_000) await server.kill();
      }
    });
    await Promise.all(adders);
    await server.start();
    expect(server.url).toBe(url);
    const after = new Redis(url);
    const counted = Number(await after.get('count'));
    after.disconnect();
    // One for each adder may have been done and not answered.
    expect(counted).toBeGreaterThanOrEqual(answered);
    expect(counted).toBeLessThanOrEqual(answered + 8);
  } finally {
    redis.disconnect();
  }
});

test('while it is paused nothing is answered; afterwards all is', async () => {
  const redis = new Redis(server.url, { commandTimeout: 2_000 });
  try {
    await redis.set('a', '1');
    await server.pause();
    await expect(redis.get('a')).rejects.toThrow('timed out');
    server.resume();
    expect(await redis.get('a')).toBe('1');
  } finally {
    redis.disconnect();
  }
});
