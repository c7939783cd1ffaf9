import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { CertmillError } from '@certmill/domain';

// Below what systems hand to outgoing connections: a port stays free while its server is down.
const lowest = 15_000;
const highest = 32_000;
const attempts = 1_000;
const taken = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Free ports on loopback; this process hands out none twice. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let attempt = 0; attempt < attempts && ports.length < count; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    ports.push(port);
  }
  if (ports.length < count) {
    throw new CertmillError('LIMIT_EXCEEDED', 'no free port was found on 127.0.0.1');
  }
  return ports;
}
