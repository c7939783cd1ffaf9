import { createServer } from 'node:net';
import { once } from 'node:events';
import { freePorts } from './free-ports.js';

test('ports are free, handed out once, and none that outgoing connections get', async () => {
  const ports = [...(await freePorts(8)), ...(await freePorts(8))];
  expect(new Set(ports).size).toBe(16);
  for (const port of ports) {
    expect(port).toBeGreaterThan(1_023);
    expect(port).toBeLessThan(32_768);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  }
});
