import { gzipSync } from 'node:zlib';
import type { EventLog } from '@certmill/ports';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { rawCall } from './raw-call.js';
import { anOrder, aServer, aTenantKey, ndjson, type TestServer } from './test-server.js';

interface ProblemBody {
  readonly status: number;
  readonly code?: string;
  readonly batchId?: string;
  readonly nextIndex?: number;
}

const problemOf = async (response: Response): Promise<ProblemBody> => {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  return (await response.json()) as ProblemBody;
};

const uploadHead = (server: TestServer, key: string, order = 'o1'): string =>
  `POST /v1/orders/${order}/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\n` +
  `Content-Type: application/x-ndjson\r\nIdempotency-Key: ${key}\r\nTransfer-Encoding: chunked\r\n\r\n`;

const chunkOf = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

describe('what is refused', () => {
  let server: TestServer;
  beforeAll(async () => {
    const limits = {
      // Those that are to be there while others are refused end with it.
      idleUploadMs: 4_000,
      uploadsAtOncePerTenant: 2,
      uploadsAtOnce: 3,
      headersTimeoutMs: 1_000,
    };
    server = await aServer({ limits }, {}, { config: { maxAllowListDevices: 3 } });
    await anOrder(server, 'o1');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const underWay = async (count: number): Promise<void> => {
    const wanted = `\ncertmill_http_uploads_active ${String(count)}\n`;
    for (let told = ''; !told.includes(wanted);) {
      told = await (await server.call('GET', '/metrics')).text();
    }
  };

  it.each([
    ['GET', '/v1/orders/o1', { key: null }, 401, 'UNAUTHENTICATED'],
    ['GET', '/v1/orders/o1', { key: `cm_${'A'.repeat(43)}` }, 401, 'UNAUTHENTICATED'],
    ['GET', '/v1/orders/nope', {}, 404, 'NOT_FOUND'],
    ['GET', '/v1/nothing', {}, 404, 'NOT_FOUND'],
    ['PATCH', '/v1/orders', {}, 405, 'INVALID_INPUT'],
    ['GET', '/v1/orders?limit=0', {}, 400, 'INVALID_INPUT'],
    ['GET', '/v1/orders?unknown=1', {}, 400, 'INVALID_INPUT'],
    ['GET', '/v1/certificates', {}, 400, 'INVALID_INPUT'],
    ['GET', '/v1/certificates/00', {}, 404, 'NOT_FOUND'],
    ['POST', '/v1/orders', { json: { orderId: 'x' } }, 400, 'INVALID_INPUT'],
    [
      'POST',
      '/v1/orders',
      { headers: { 'content-type': 'application/json' }, body: '{' },
      400,
      'INVALID_INPUT',
    ],
    [
      'POST',
      '/v1/orders',
      { headers: { 'content-type': 'text/plain' }, body: 'x' },
      415,
      'INVALID_INPUT',
    ],
    ['POST', '/v1/orders', { json: { orderId: 'x'.repeat(2_000_000) } }, 413, 'LIMIT_EXCEEDED'],
    ['POST', '/v1/orders/o1/batches', { headers: ndjson, body: 'x' }, 400, 'INVALID_INPUT'],
    [
      'POST',
      '/v1/orders/o1/batches',
      { headers: { ...ndjson, 'idempotency-key': 'e' }, body: '\n' },
      400,
      'INVALID_INPUT',
    ],
    [
      'POST',
      '/v1/orders/o1/batches',
      { headers: { ...ndjson, 'idempotency-key': 'b', 'content-encoding': 'br' }, body: 'x' },
      415,
      'INVALID_INPUT',
    ],
  ] as const)(
    '%s %s is answered as a problem (%#)',
    async (method, path, options, status, code) => {
      const problem = await problemOf(await server.call(method, path, options));
      expect(problem).toMatchObject({ status, code });
    },
  );

  it('shows nothing of another tenant and lets a role do only its own', async () => {
    await server.call('POST', '/v1/tenants', { json: { tenant: 'other' } });
    const keyOf = async (tenant: string, role: string): Promise<string> => {
      const made = await server.call('POST', `/v1/tenants/${tenant}/credentials`, {
        json: { role },
      });
      expect(made.status).toBe(201);
      return ((await made.json()) as { key: string }).key;
    };
    const stranger = await keyOf('other', 'admin');
    for (const path of ['/v1/orders/o1', '/v1/orders/o1/batches']) {
      expect((await server.call('GET', path, { key: stranger })).status).toBe(404);
    }
    const factory = await keyOf('default', 'factory');
    expect((await server.call('GET', '/v1/orders/o1', { key: factory })).status).toBe(200);
    expect((await server.call('POST', '/v1/orders/o1/close', { key: factory })).status).toBe(403);
    const auditor = await keyOf('default', 'auditor');
    const upload = { key: auditor, headers: { ...ndjson, 'idempotency-key': 'a' }, body: 'x' };
    expect((await server.call('POST', '/v1/orders/o1/batches', upload)).status).toBe(403);
  });

  it('cuts a body that stops coming with 408, and the batch is resumed', async () => {
    const devices = csrsOf(300, 'slow');
    const text = ndjsonOf(devices);
    const { answer } = rawCall(server.url, uploadHead(server, 'slow') + chunkOf(text));
    const [head = '', body = ''] = (await answer).split('\r\n\r\n');
    expect(head).toContain('HTTP/1.1 408');
    const problem = JSON.parse(body) as ProblemBody;
    expect(problem.nextIndex).toBe(256);
    const rest = ndjsonOf(devices.slice(256));
    const resumed = await server.call('POST', '/v1/orders/o1/batches?firstIndex=256', {
      headers: { ...ndjson, 'idempotency-key': 'slow' },
      body: rest,
    });
    expect(resumed.status).toBe(202);
    expect(await resumed.json()).toMatchObject({ batchId: problem.batchId, nextIndex: 300 });
  });

  it('keeps what was durable when the connection is cut', async () => {
    const { socket, answer } = rawCall(
      server.url,
      uploadHead(server, 'cut') + chunkOf(ndjsonOf(csrsOf(300, 'cut'))),
    );
    const find = async (): Promise<ProblemBody | undefined> => {
      const response = await server.call('GET', '/v1/orders/o1/batches?idempotencyKey=cut');
      return ((await response.json()) as { items: ProblemBody[] }).items[0];
    };
    while ((await find())?.nextIndex !== 256)
      await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    await answer;
    expect(await find()).toMatchObject({ nextIndex: 256, state: 'uploading' });
  });

  it('lets one tenant have its share of uploads: the next one is a 429', async () => {
    const calls = [1, 2].map((i) => rawCall(server.url, uploadHead(server, `many-${i}`)));
    await underWay(2);
    const third = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'many-3' },
      body: 'x',
    });
    expect(third.headers.get('retry-after')).toBe('1');
    expect(await problemOf(third)).toMatchObject({ status: 429 });
    for (const { socket } of calls) socket.destroy();
    await underWay(0);
  });

  it('takes one allow-list per tenant at a time, and a few of all: the next one is a 429', async () => {
    const isTaken = async (tenant: string): Promise<boolean> => {
      const key = keys.get(tenant) ?? '';
      const body = 'deviceId\nd\n';
      const headers = { 'content-type': 'text/csv' };
      const answer = await server.call('PUT', '/v1/orders/o1/devices', { key, headers, body });
      if (answer.status === 200) return true;
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await problemOf(answer)).toMatchObject({ status: 429 });
      return false;
    };
    const importSlowly = (tenant: string) =>
      rawCall(
        server.url,
        `PUT /v1/orders/o1/devices HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n` +
          `Authorization: Bearer ${keys.get(tenant) ?? ''}\r\nTransfer-Encoding: chunked\r\n\r\n` +
          chunkOf('deviceId\n'),
      );
    const keys = new Map([['default', server.key]]);
    for (const tenant of ['acme', 'umbrella']) {
      keys.set(tenant, await aTenantKey(server, tenant));
      await anOrder(server, 'o1', {}, keys.get(tenant));
    }
    await underWay(0);
    const own = importSlowly('default');
    await underWay(1);
    expect(await isTaken('default')).toBe(false);
    expect(await isTaken('acme')).toBe(true);
    const theirs = importSlowly('acme');
    await underWay(2);
    expect(await isTaken('umbrella')).toBe(false);
    own.socket.destroy();
    await underWay(1);
    expect(await isTaken('umbrella')).toBe(true);
    theirs.socket.destroy();
    await underWay(0);
  });

  it('stops an allow-list that is longer than configured', async () => {
    const answer = await server.call('PUT', '/v1/orders/o1/devices', {
      headers: { 'content-type': 'text/csv' },
      body: 'deviceId\na\nb\nc\nd\n',
    });
    expect(await problemOf(answer)).toMatchObject({
      status: 413,
      code: 'LIMIT_EXCEEDED',
      detail: 'an allow-list holds up to 3 devices: open a further order for the others',
    });
  });

  it('stops a gzip bomb while it is read', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x0a));
    let response: Response;
    do {
      response = await server.call('POST', '/v1/orders/o1/batches', {
        headers: { ...ndjson, 'idempotency-key': 'bomb', 'content-encoding': 'gzip' },
        body: new Uint8Array(bomb),
      });
    } while (response.status === 429);
    expect(await problemOf(response)).toMatchObject({ status: 413, code: 'LIMIT_EXCEEDED' });
  });

  it('answers headers that do not end and octets that are no HTTP, and hangs up', async () => {
    const noHttp = rawCall(server.url, '\u0016\u0003\u0001 hello\r\n\r\n');
    expect(await noHttp.answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s);
  });
});

describe('back-pressure and stopping', () => {
  it('stops reading the socket while the log is slow, and goes on with it', async () => {
    const gate = Promise.withResolvers<undefined>();
    const slow = (log: EventLog): EventLog => ({
      append: (topic, record) => gate.promise.then(() => log.append(topic, record)),
      subscribe: (options) => log.subscribe(options),
      lag: (topic, group) => log.lag(topic, group),
      readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    });
    await using server = await aServer({}, { aroundLog: (log) => slowed(log, slow) });
    await anOrder(server, 'o1');
    const head = uploadHead(server, 'bp').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
    const { socket, answer } = rawCall(server.url, head);
    const line = ndjsonOf(csrsOf(1, 'dev')).replace(/\n$/, '');
    const piece = chunkOf(`${line}\n`.repeat(500));
    let written = 0;
    const limit = 64 * 1024 * 1024;
    while (written < limit) {
      written += piece.length;
      if (!socket.write(piece)) {
        const drained = await Promise.race([
          new Promise<boolean>((resolve) => socket.once('drain', () => resolve(true))),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
        ]);
        if (!drained) break;
      }
    }
    expect(written).toBeLessThan(limit / 2);
    gate.resolve(undefined);
    await new Promise((resolve) => socket.once('drain', resolve));
    socket.write('0\r\n\r\n');
    expect(await answer).toContain('HTTP/1.1 202');
  });

  it('ends uploads with 503 and nextIndex, and followers with a last event', async () => {
    const server = await aServer();
    await anOrder(server, 'o1');
    const { answer } = rawCall(
      server.url,
      uploadHead(server, 'stop') + chunkOf(ndjsonOf(csrsOf(300, 'stop'))),
    );
    const find = async (): Promise<ProblemBody | undefined> => {
      const response = await server.call('GET', '/v1/orders/o1/batches?idempotencyKey=stop');
      return ((await response.json()) as { items: ProblemBody[] }).items[0];
    };
    let batch = await find();
    while (batch?.nextIndex !== 256) batch = await find();
    const events = await server.call('GET', `/v1/batches/${batch.batchId ?? ''}/events`);
    const followed = events.text();
    await server[Symbol.asyncDispose]();
    expect(await answer).toMatch(/^HTTP\/1\.1 503 [^]*"code":"FAULT_STOPPING"[^]*"nextIndex":256/);
    expect(await followed).toMatch(/event: stopping\ndata: \{\}\n\n$/);
  });

  it('refuses to listen off loopback without TLS', async () => {
    await expect(aServer({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

function slowed<Log extends EventLog>(log: Log, wrap: (log: EventLog) => EventLog): Log {
  return Object.assign(Object.create(log) as Log, wrap(log));
}
