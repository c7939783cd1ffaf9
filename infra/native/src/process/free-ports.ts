import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { CertmillError } from '@certmill/domain';

/** From and below. */
type Range = readonly [number, number];

// Below what systems hand to outgoing connections: a port stays free while its server is down.
const usual: Range = [15_000, 32_000];
const attempts = 1_000;
const taken = new Set<number>();

async function listening(server: Server, where: object): Promise<boolean> {
  try {
    server.listen(where);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await listening(server, { host: '127.0.0.1', port });
  server.close();
  return isListening;
}

/**
 * A port for this process until it ends, also while no server is at it: the kernel gives a name (of an abstract
 * socket) to one process at a time, and takes it back at its end. Undefined where another has it.
 */
async function claimOf(port: number): Promise<Server | undefined> {
  if (process.platform !== 'linux') return createServer();
  const name = createServer().unref();
  return (await listening(name, { path: `\0certmill-port-${String(port)}` })) ? name : undefined;
}

/** Free ports on loopback; none is handed out twice, by whatever process of this machine. */
export async function freePorts(
  count: number,
  [lowest, below]: Range = usual,
): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let attempt = 0; attempt < attempts && ports.length < count; attempt += 1) {
    const port = randomInt(lowest, below);
    const claim = taken.has(port) ? undefined : await claimOf(port);
    if (claim === undefined) continue;
    if (await isFree(port)) {
      taken.add(port);
      ports.push(port);
    } else claim.close();
  }
  if (ports.length < count) {
    throw new CertmillError('LIMIT_EXCEEDED', 'no free port was found on 127.0.0.1');
  }
  return ports;
}
