import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { ISocketFactory } from 'kafkajs';
import { AdminCalls } from './admin-calls.js';
import { openPlainSocket } from './create-kafka.js';

/** Takes connections and never says anything, or hangs up at the first word. */
async function aBroker(behaviour: 'silent' | 'hanging-up'): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => behaviour === 'hanging-up' && socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

describe.each(['silent', 'hanging-up'] as const)('calls to a broker that is %s', (behaviour) => {
  it('leave no connection behind once they are stopped', async () => {
    const server = await aBroker(behaviour);
    const opened: Socket[] = [];
    const openSocket: ISocketFactory = (to) => {
      const socket = openPlainSocket(to);
      opened.push(socket);
      return socket;
    };
    const { port } = server.address() as AddressInfo;
    const brokers = [`127.0.0.1:${String(port)}`];
    const calls = new AdminCalls({ brokers, clientId: 'c', requestTimeoutMs: 50, openSocket });
    const asked = Array.from({ length: 5 }, (_, i) =>
      calls.call(`group ${String(i)}`, (admin) => admin.describeGroups([String(i)])),
    );
    const answers = Promise.allSettled(asked);
    await pause(400);
    await calls.stop();
    expect(opened.length).toBeGreaterThan(0);
    while (opened.some(({ destroyed }) => !destroyed)) await pause(20);
    for (const { status } of await answers) expect(status).toBe('rejected');
    expect(opened.filter(({ destroyed }) => !destroyed)).toHaveLength(0);
    await new Promise((resolve) => server.close(resolve));
  });
});
