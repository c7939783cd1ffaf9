import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { patchedStore } from '../crash/patched-store.js';
import { headOf, rawCall } from './raw-call.js';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, aTenantKey, ndjson, type TestServer } from './test-server.js';
import { aServerThatWaits } from './waiting-server.js';

const chunked = 'Transfer-Encoding: chunked';

const unfinished = (path: string, headers: readonly string[]): string =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: x',
    ...headers,
    '',
    headers.includes(chunked) ? 'b\r\nsome octets\r\n' : 'some octets',
  ].join('\r\n');

const enrollIn = (server: TestServer, deviceId: string): Promise<Response> =>
  server.call('POST', `/v1/orders/o1/certificates?deviceId=${deviceId}`, {
    headers: { 'content-type': 'application/pkcs10' },
    body: new Uint8Array(aCsr(deviceId)),
  });

describe('a call whose body never ends', () => {
  let server: TestServer;
  let auditor: string;
  beforeAll(async () => {
    server = await aServer();
    auditor = await aTenantKey(server, 'default', 'auditor');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const json = 'Content-Type: application/json';
  const whole = 'Content-Length: 1048576';
  const bearer = (key: string): string => `Authorization: Bearer ${key}`;

  it.each([
    ['no credential', 401, '/v1/orders', () => [json, whole]],
    ['no credential, chunked', 401, '/v1/orders', () => [json, chunked]],
    [
      'no credential, DER',
      401,
      '/v1/orders/o/certificates',
      () => ['Content-Type: application/pkcs10', whole],
    ],
    [
      'no credential, a stream',
      401,
      '/v1/orders/o/batches',
      () => ['Content-Type: text/csv', chunked],
    ],
    [
      'a key that is unknown',
      401,
      '/v1/orders',
      () => [json, whole, bearer(`cm_${'A'.repeat(43)}`)],
    ],
    ['a role that may not', 403, '/v1/orders', () => [json, whole, bearer(auditor)]],
    ['no such path', 404, '/v1/nothing', () => [json, whole]],
    ['no such method', 405, '/v1/certificates', () => [json, whole]],
  ] as const)('is answered at once: %s', async (_, status, path, headers) => {
    const begun = performance.now();
    const { socket, answer } = rawCall(server.url, unfinished(path, headers()));
    expect(await headOf(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    // Where it waits for the body it does so for `smallBodyTimeoutMs`, half a minute.
    expect(performance.now() - begun).toBeLessThan(15_000);
    // And it does not keep its connection.
    expect(await answer).toContain('application/problem+json');
  });

  it('is not read to its end: who goes on sending is cut', async () => {
    const { socket, answer } = rawCall(server.url, unfinished('/v1/orders', [json, chunked]));
    const piece = `400\r\n${'x'.repeat(1024)}\r\n`;
    const feed = setInterval(() => socket.writable && socket.write(piece), 5);
    try {
      expect(await answer).toMatch(/^HTTP\/1\.1 401 /);
    } finally {
      clearInterval(feed);
    }
  });

  it.each(['HEAD', 'GET'])('%s asks for the key as well', async (method) => {
    expect((await server.call(method, '/v1/orders', { key: null })).status).toBe(401);
    expect((await server.call(method, '/v1/orders')).status).toBe(200);
  });
});

describe('connections', () => {
  it('are bounded: one more is closed, and taken again when another has ended', async () => {
    await using server = await aServer({ limits: { maxConnections: 3 } });
    const { hostname, port } = new URL(server.url);
    const open = async () => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      return { socket, answered: (await headOf(socket)).startsWith('HTTP/1.1 200') };
    };
    const held = [await open(), await open(), await open()];
    expect(held.map(({ answered }) => answered)).toEqual([true, true, true]);
    expect((await open()).answered).toBe(false);
    held[0]?.socket.destroy();
    let again = await open();
    while (!again.answered) {
      await sleep(10);
      again = await open();
    }
    for (const { socket } of [...held, again]) socket.destroy();
    let metrics = '';
    while (metrics === '') {
      metrics = await fetch(`${server.url}/metrics`).then(
        (r) => r.text(),
        () => '',
      );
    }
    expect(metrics).toMatch(/^certmill_http_connections_refused_total [1-9]/m);
    expect(metrics).toMatch(/^certmill_http_connections_active 1$/m);
  });
});

describe('readers of CRLs', () => {
  const call = 'GET /crl/dev/0.crl HTTP/1.1\r\nHost: x\r\n\r\n';
  const der = new Uint8Array(24 * 1024 * 1024);
  const crl = {
    scope: { issuer: 'dev', shard: 0 },
    ...({ kind: 'full', crlNumber: 5n, entries: 1, changes: 1, hasDeltas: false } as const),
    ...{ thisUpdateMs: Date.now(), nextUpdateMs: Date.now() + 3_600_000 },
  };
  let server: TestServer;
  beforeAll(async () => {
    server = await aServer(
      {
        limits: {
          ...{ repositoryCallsAtOnce: 2, idleReaderMs: 600 },
          minReaderBytesPerSecond: 48 * 1024 * 1024,
        },
      },
      {
        aroundStore: (store) =>
          patchedStore(store, {
            describeCrl: (_scope, kind) => Promise.resolve(kind === 'full' ? crl : undefined),
            getCrl: () => Promise.resolve({ ...crl, der }),
          }),
      },
    );
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const statusNow = async (): Promise<number> => {
    const { status, body } = await server.call('GET', '/crl/dev/0.crl', { key: null });
    await body?.cancel();
    return status;
  };
  const reader = (calls = call) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(calls);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    return { socket, closed };
  };

  it('who take nothing of them are cut, and others get their places', async () => {
    const silent: Socket[] = [];
    const readNothing = (): void => {
      for (const { socket } of [reader(), reader()]) silent.push(socket.pause());
    };
    readNothing();
    for (let looks = 1; (await statusNow()) !== 429; looks += 1) {
      // On busy cores they may have been cut before anybody looked.
      if (looks % 50 === 0) readNothing();
      await sleep(10);
    }
    while ((await statusNow()) !== 200) await sleep(50);
    for (const socket of silent) socket.destroy();
    // As long as they have where nobody configures it.
  }, 30_000);

  it('who take them ever so slowly are cut too', async () => {
    const { socket, closed } = reader();
    let taken = 0;
    socket.on('data', (bytes: Buffer) => {
      taken += bytes.length;
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    await closed;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(der.length);
  });

  it('who ask for more on one connection than they take are cut', async () => {
    const { socket, closed } = reader(call.repeat(9));
    let taken = 0;
    socket.on('data', (bytes: Buffer) => (taken += bytes.length));
    await closed;
    expect(taken).toBeLessThan(der.length);
    while ((await statusNow()) !== 200) await sleep(10);
  });
});

describe('downloads and followers', () => {
  it('are bounded together, and a tenant leaves room for the others', async () => {
    await using server = await aServerThatWaits({
      limits: { downloadsAtOnce: 5, downloadsAtOncePerTenant: 4 },
    });
    const uploaded = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'followed' },
      body: ndjsonOf(csrsOf(1, 'followed')),
    });
    const path = `/v1/batches/${((await uploaded.json()) as { batchId: string }).batchId}`;
    const active = async (count: number): Promise<void> => {
      const line = new RegExp(`^certmill_http_downloads_active ${String(count)}$`, 'm');
      while (!line.test(await (await server.call('GET', '/metrics')).text())) await sleep(10);
    };
    const acme = await aTenantKey(server, 'acme');
    const follow = (what: string, key = server.key) => {
      const hangUp = new AbortController();
      const answer = fetch(`${server.url}${path}/${what}`, {
        headers: { authorization: `Bearer ${key}` },
        signal: hangUp.signal,
      });
      answer.catch(() => undefined);
      return { hangUp: () => hangUp.abort(), answer };
    };
    const kinds = ['events', 'certificates', 'rejections', 'manifest'] as const;
    const followers = kinds.map((kind) => follow(`${kind}?follow=true`));
    await active(4);
    for (const kind of kinds) {
      const refused = await follow(kind).answer;
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      expect(await refused.json()).toMatchObject({ code: 'FAULT_OVERLOADED' });
    }
    // Another tenant has room; of the batch it is told nothing.
    expect((await follow('events', acme).answer).status).toBe(404);
    await active(4);
    followers[0]?.hangUp();
    await active(3);
    const again = follow('events');
    expect((await again.answer).status).toBe(200);
    await active(4);
    server.gate.resolve(undefined);
    for (const { answer } of [...followers.slice(1), again]) await (await answer).text();
    await active(0);
  });
});

describe('single enrolments', () => {
  it('are bounded at once: one more is a 429 with Retry-After, and nothing was taken', async () => {
    await using server = await aServerThatWaits({ limits: { enrolmentsAtOnce: 2 } });
    const waiting = ['a', 'b'].map((id) => enrollIn(server, id));
    const active = async (): Promise<string> => (await server.call('GET', '/metrics')).text();
    while (!/^certmill_http_enrolments_active 2$/m.test(await active())) await sleep(10);
    const refused = await enrollIn(server, 'c');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({ code: 'FAULT_OVERLOADED' });
    server.gate.resolve(undefined);
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201]);
    expect((await enrollIn(server, 'c')).status).toBe(201);
  });

  it('of one tenant leave room for the others', async () => {
    await using server = await aServerThatWaits({
      limits: { enrolmentsAtOnce: 4, enrolmentsAtOncePerTenant: 1 },
    });
    const acme = await aTenantKey(server, 'acme');
    const first = enrollIn(server, 'a');
    const active = async (): Promise<string> => (await server.call('GET', '/metrics')).text();
    while (!/^certmill_http_enrolments_active 1$/m.test(await active())) await sleep(10);
    expect((await enrollIn(server, 'b')).status).toBe(429);
    await anOrder(server, 'o1', {}, acme);
    const other = server.call('POST', '/v1/orders/o1/certificates?deviceId=a', {
      key: acme,
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(aCsr('a')),
    });
    while (!/^certmill_http_enrolments_active 2$/m.test(await active())) await sleep(10);
    server.gate.resolve(undefined);
    expect((await Promise.all([first, other])).map(({ status }) => status)).toEqual([201, 201]);
  });

  it('are cut short by a stop: 202 with the place where the certificate will be', async () => {
    const config = { stopTimeoutMs: 120_000 };
    const server = await aServerThatWaits({ enrollDeadlineMs: 120_000 }, { config });
    const waiting = enrollIn(server, 'a');
    const active = async (): Promise<string> => (await server.call('GET', '/metrics')).text();
    while (!/^certmill_log_interactive_lag_chunks 1$/m.test(await active())) await sleep(10);
    const begun = performance.now();
    const stopped = server[Symbol.asyncDispose]();
    const cut = await waiting;
    expect([cut.status, cut.headers.get('location')]).toEqual([
      202,
      expect.stringMatching(/^\/v1\/batches\/[0-9a-f]{26}$/),
    ]);
    expect(cut.headers.get('retry-after')).toBe('1');
    server.gate.resolve(undefined);
    await stopped;
    // Neither the enrolment nor its connection makes it wait for stopTimeoutMs.
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  it('that wait past the deadline answer 202, and the same key gets the certificate later', async () => {
    await using server = await aServerThatWaits({ enrollDeadlineMs: 100 });
    const csr = new Uint8Array(aCsr('late'));
    const enroll = (): Promise<Response> =>
      server.call('POST', '/v1/orders/o1/certificates?deviceId=late', {
        headers: { 'content-type': 'application/pkcs10', 'idempotency-key': 'late' },
        body: csr,
      });
    const early = await enroll();
    const { batchId } = (await early.json()) as { batchId: string };
    expect([early.status, early.headers.get('location'), early.headers.get('retry-after')]).toEqual(
      [202, `/v1/batches/${batchId}`, '1'],
    );
    server.gate.resolve(undefined);
    let later = await enroll();
    while (later.status === 202) later = await enroll();
    expect(later.status).toBe(201);
    const view = await (await server.call('GET', `/v1/batches/${batchId}`)).json();
    expect(view).toMatchObject({ state: 'complete', counters: { accepted: 1, issued: 1 } });
  });
});
