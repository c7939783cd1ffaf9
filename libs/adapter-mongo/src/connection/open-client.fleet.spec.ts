import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { MongoStore } from '../mongo-store.js';
import { aFleet, mongoUri, type Fleet } from '../testing/a-mongo-store.js';

/** Half of it is what a full machine's server has for the driver's heartbeat. */
const callTimeoutMs = 2_000;

/** A way to the server that can fall silent, as a network does. */
class Line {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isSilent = false;

  constructor(port: number, host: string) {
    this.#server = createServer((near) => {
      const far = connect(port, host);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (data) => this.#isSilent || to.write(data));
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
      }
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  silence(isSilent: boolean): void {
    this.#isSilent = isSilent;
    if (!isSilent) this.#cut();
  }

  close(): void {
    this.#server.close();
    this.#cut();
  }

  /** All connections at once, as a server does that is killed. */
  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}

describe('a server that does not answer', () => {
  let fleet: Fleet;
  let line: Line;
  let uri = '';

  beforeAll(async () => {
    fleet = await aFleet();
    const { hostname, port } = new URL(mongoUri());
    line = new Line(Number(port), hostname);
    uri = `mongodb://127.0.0.1:${String(await line.listen())}/?directConnection=true`;
  });
  afterAll(async () => {
    line.close();
    await fleet.close();
  });

  /** Mostly at once; a heartbeat that fails is tried again after 0.5 to 10 s. */
  async function answers(store: MongoStore): Promise<void> {
    const deadlineMs = performance.now() + 150_000;
    while ((await store.hasTenant('t').catch(() => undefined)) === undefined) {
      expect(performance.now()).toBeLessThan(deadlineMs);
    }
  }

  async function within(ms: number, call: Promise<unknown>): Promise<unknown> {
    const beganMs = performance.now();
    const outcome = await call.catch((error: unknown) => error);
    expect(performance.now() - beganMs).toBeLessThan(ms);
    return outcome;
  }

  test('is FAULT_STORE_DOWN within the time of a call, and works again when it is back', async () => {
    const store: MongoStore = await fleet.open({ uri, callTimeoutMs });
    line.silence(true);
    const down: unknown = expect.objectContaining({ code: 'FAULT_STORE_DOWN' });
    const calls = [
      store.hasTenant('t'),
      store.createTenant('t', 1),
      store.getBatch('t', 'b'),
      store.reservedUnder('t', 'o'),
    ];
    // A few calls of the driver each, at most.
    const outcomes = await Promise.all(calls.map((call) => within(callTimeoutMs * 8, call)));
    expect(outcomes).toEqual([down, down, down, down]);
    line.silence(false);
    await answers(store);
  });

  test('is found again when it ended all connections at once, and the driver hangs on one', async () => {
    const store = await fleet.open({ uri, callTimeoutMs });
    line.silence(true);
    const cutOff = store.hasTenant('t').catch(() => undefined);
    // The driver's least time from one heartbeat to the next: one begins as the call's connection ends.
    await setTimeout(600);
    line.silence(false);
    await cutOff;
    await answers(store);
  });

  test('holds up a stop no longer than it is given: what was in hand ends with FAULT_STOPPING', async () => {
    const store = await fleet.open({ uri, callTimeoutMs: 60_000 });
    line.silence(true);
    const waiting = store.hasTenant('t').catch((error: unknown) => error);
    const stopping = within(30_000, store.stop(100));
    await expect(store.hasTenant('t')).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    expect(await waiting).toMatchObject({ code: 'FAULT_STOPPING' });
    await stopping;
    await store.stop(100);
    line.silence(false);
  });

  test('cannot be opened, and says nothing of the URI', async () => {
    line.silence(true);
    const opening = fleet.open({ uri, callTimeoutMs });
    await expect(within(callTimeoutMs * 8, opening)).resolves.toMatchObject({
      code: 'FAULT_STORE_DOWN',
    });
    line.silence(false);
    const wrong = fleet.open({ uri: 'mongodb://user:pass word@/nowhere' });
    const error: unknown = await wrong.catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect((error as Error).message).not.toMatch(/pass word|nowhere/);
  });
});
