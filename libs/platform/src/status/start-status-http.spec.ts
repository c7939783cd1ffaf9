import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  encodeCertId,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  oids,
} from '@certmill/der';
import type { AnswerSource } from './answer-source.js';
import type { StatusCall } from './status-call.js';
import { startStatusHttp, type StatusHttp } from './start-status-http.js';
import type { StatusReply } from './status-reply.js';

const mebibyte = 1024 * 1024;
const nonce = encodeSequence(
  encodeOid(oids.id_pkix_ocsp_nonce),
  encodeOctetString(encodeOctetString(Buffer.alloc(32, 5))),
);
const padding = encodeSequence(encodeOid('1.2.3.4'), encodeOctetString(Buffer.alloc(12_000)));

/** An OCSPRequest about one certificate. */
function aRequest(serial: number, ...extensions: readonly Uint8Array[]): Buffer {
  const [nameHash, keyHash] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const certId = encodeCertId('sha256', nameHash, keyHash, encodeInteger(serial).subarray(2));
  const inExtensions = encodeTlv(0xa2, encodeSequence(...extensions));
  const list = encodeSequence(encodeSequence(certId));
  const parts = extensions.length > 0 ? [list, inExtensions] : [list];
  return Buffer.from(encodeSequence(encodeSequence(...parts)));
}

interface Face extends StatusHttp, AsyncDisposable {
  readonly port: number;
  readonly calls: StatusCall[];
}

/** The face in front of something that replies as it is told. */
async function aFace(
  reply: (call: StatusCall, signal: AbortSignal) => StatusReply | Promise<StatusReply>,
  options: {
    readonly echoesNonces?: boolean;
    readonly repositoryCallsAtOnce?: number;
    readonly answers?: AnswerSource;
  } = {},
): Promise<Face> {
  const { echoesNonces = false, repositoryCallsAtOnce = 256, answers } = options;
  const calls: StatusCall[] = [];
  const http = await startStatusHttp({
    config: {
      host: '127.0.0.1',
      port: 0,
      threads: 1,
      maxConnections: 4_096,
      cachedAnswers: 20_000,
      cachedBytes: 32 * mebibyte,
      repositoryCallsAtOnce,
      cachedMs: 60_000,
      maxAgeSeconds: 60,
    },
    echoesNonces,
    answers,
    reply(call, signal) {
      calls.push(call);
      return Promise.resolve(reply(call, signal));
    },
    onLost: (error) => {
      throw error;
    },
  });
  return {
    ...http,
    port: Number(new URL(http.url).port),
    calls,
    [Symbol.asyncDispose]: () => http.stop(500),
  };
}

function answerOf(bytes: number): StatusReply {
  return {
    status: 200,
    headers: ['Content-Type', 'application/ocsp-response'],
    body: Buffer.alloc(bytes, 7),
    keepUntilMs: Date.now() + 60_000,
  };
}

/** Sends what is given and takes nothing of the answer. */
async function neverReading(port: number, bytes: string | Uint8Array): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  socket.write(bytes);
  return socket;
}

describe('clients who read nothing', () => {
  test('of a long CRL do not have a copy of it each, and those who read get it whole', async () => {
    const crl = Buffer.alloc(16 * mebibyte);
    for (let at = 0; at < crl.length; at += 4_096) crl.writeUInt32BE(at, at);
    await using face = await aFace(() => ({ status: 200, headers: [], body: crl }));
    const before = process.memoryUsage.rss();
    const call = 'GET /crl/a/0.crl HTTP/1.1\r\nHost: a\r\n\r\n';
    const sockets = await Promise.all(
      Array.from({ length: 30 }, () => neverReading(face.port, call)),
    );
    const answer = await fetch(`${face.url}/crl/a/0.crl`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(crl)).toBe(true);
    expect(face.calls).toHaveLength(31);
    expect((process.memoryUsage.rss() - before) / mebibyte).toBeLessThan(160);
    for (const socket of sockets) socket.destroy();
  });

  test('give their places back when they go, and nobody else gets one before', async () => {
    const body = Buffer.alloc(16 * mebibyte);
    const reply = (): StatusReply => ({ status: 200, headers: [], body });
    await using face = await aFace(reply, { repositoryCallsAtOnce: 2 });
    const call = 'GET /crl/a/0.crl HTTP/1.1\r\nHost: a\r\n\r\n';
    const sockets = [await neverReading(face.port, call), await neverReading(face.port, call)];
    while (face.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const refused = await fetch(`${face.url}/crl/a/0.crl`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    await refused.text();
    for (const socket of sockets) socket.destroy();
    let status = 503;
    while (status === 503) {
      const { status: now } = await fetch(`${face.url}/crl/a/0.crl`, { method: 'HEAD' });
      status = now;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(status).toBe(200);
    // A HEAD takes nothing, so it leaves its place at once.
    for (let i = 0; i < 4; i += 1) {
      expect((await fetch(`${face.url}/crl/a/0.crl`, { method: 'HEAD' })).status).toBe(200);
    }
  });

  test('of answers to many calls on one connection are cut', async () => {
    await using face = await aFace(() => answerOf(8_192));
    const path = `/ocsp/${encodeURIComponent(aRequest(1).toString('base64'))}`;
    await (await fetch(face.url + path)).arrayBuffer();
    const calls = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(5_000);
    const socket = await neverReading(face.port, calls);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
    });
  });
});

describe('clients who go before they are answered', () => {
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  /** Answers that begin, and come when they are given up. */
  function aWork() {
    const work = { begun: 0, givenUp: 0 };
    const reply = async (_call: StatusCall, signal: AbortSignal): Promise<StatusReply> => {
      work.begun += 1;
      await once(signal, 'abort');
      work.givenUp += 1;
      return answerOf(100);
    };
    return { work, reply };
  }
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  test('are looked up nothing for any more, whatever they have asked in advance', async () => {
    const { work, reply } = aWork();
    await using face = await aFace(reply, { echoesNonces: true });
    const path = `/ocsp/${encodeURIComponent(aRequest(1, nonce).toString('base64'))}`;
    const socket = await neverReading(face.port, get(path).repeat(8));
    await until(() => work.begun === 8);
    socket.destroy();
    await until(() => work.givenUp === 8);
    expect(face.calls).toHaveLength(8);
  });

  test('keep no place and nothing in memory of a CRL that is found later', async () => {
    const crl = answerOf(16 * mebibyte);
    const { work, reply } = aWork();
    let isSlow = true;
    const find = async (...asked: Parameters<typeof reply>): Promise<StatusReply> => {
      if (isSlow) await reply(...asked);
      // Each one of its own, of which four are the most that is held.
      return { ...crl, body: Buffer.from(crl.body) };
    };
    await using face = await aFace(find, { repositoryCallsAtOnce: 5 });
    for (let i = 0; i < 5; i += 1) {
      (await neverReading(face.port, get('/crl/a/0.crl'))).destroy();
      await until(() => work.givenUp === i + 1);
    }
    isSlow = false;
    const sockets: Socket[] = [];
    for (let i = 0; i < 3; i += 1) {
      sockets.push(await neverReading(face.port, get('/crl/a/0.crl')));
    }
    await until(() => face.calls.length === 8);
    const answer = await fetch(`${face.url}/crl/a/0.crl`);
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, 16 * mebibyte]);
    for (const socket of sockets) socket.destroy();
  });
});

describe('what is kept', () => {
  const request = aRequest(2);
  const path = `/ocsp/${encodeURIComponent(request.toString('base64'))}`;
  const post = (url: string, body: Uint8Array<ArrayBuffer>) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/ocsp-request' }, body });

  test('is one answer for all who ask about the same certificate, whatever else they send', async () => {
    await using face = await aFace(() => answerOf(1_000));
    const answers = [
      await fetch(face.url + path),
      await fetch(`${face.url}${path}?${'x'.repeat(4_000)}`),
      await fetch(`${face.url}/proxy${path}?y`),
      await post(`${face.url}/ocsp`, new Uint8Array(request)),
      await post(`${face.url}/ocsp?z`, new Uint8Array(aRequest(2, nonce))),
    ];
    for (const answer of answers) {
      expect(answer.headers.get('connection')).toBe('keep-alive');
      expect((await answer.arrayBuffer()).byteLength).toBe(1_000);
    }
    expect(face.calls).toHaveLength(1);
    expect(face.answersOfThreads().cached).toBe(4);
    await (await post(`${face.url}/ocsp`, new Uint8Array(aRequest(3)))).arrayBuffer();
    expect(face.calls).toHaveLength(2);
  });

  test('is not told to a client that is to find its nonce in it', async () => {
    await using face = await aFace(() => answerOf(1_000), { echoesNonces: true });
    await (await fetch(face.url + path)).arrayBuffer();
    await (await post(`${face.url}/ocsp`, new Uint8Array(aRequest(2, nonce)))).arrayBuffer();
    await (await post(`${face.url}/ocsp`, new Uint8Array(aRequest(2, nonce)))).arrayBuffer();
    expect(face.calls).toHaveLength(3);
    expect(face.answersOfThreads().cached).toBe(0);
  });
});

describe('what threads read by themselves', () => {
  /** Knows of the serial numbers below 10: tells them, and how often it did. */
  const source = `let asked = 0;
    export const openAnswers = (times) => (requestDer, certId) => {
      const serial = requestDer[certId.serialNumberStart];
      if (serial >= 10) return undefined;
      asked += 1;
      return { kind: 'successful', der: Uint8Array.of(serial, asked), times, isForAll: true };
    };`;
  const nowMs = Date.now();
  const answers = {
    module: `data:text/javascript,${encodeURIComponent(source)}`,
    data: { thisUpdateMs: nowMs, nextUpdateMs: nowMs + 3_600_000 },
  };
  const ask = async (face: Face, request: Buffer): Promise<readonly number[]> => {
    const path = `/ocsp/${encodeURIComponent(request.toString('base64'))}`;
    const answer = await fetch(face.url + path);
    expect(answer.headers.get('content-type')).toBe('application/ocsp-response');
    return [...Buffer.from(await answer.arrayBuffer())];
  };

  /** The main thread's reply, which lets threads read for so long. */
  const letting = (ms: number) => (): StatusReply => {
    const { status, headers, body } = answerOf(3);
    return { status, headers, body, readUntilMs: Date.now() + ms };
  };
  const ofMain = [7, 7, 7];

  test('is told once the main thread knows the issuer, and kept as any answer', async () => {
    await using face = await aFace(letting(60_000), { answers });
    expect(await ask(face, aRequest(2))).toEqual(ofMain);
    expect(await ask(face, aRequest(2))).toEqual([2, 1]);
    expect(await ask(face, aRequest(2))).toEqual([2, 1]);
    expect(await ask(face, aRequest(3))).toEqual([3, 2]);
    expect(face.answersOfThreads()).toEqual({ cached: 1, read: 2 });
    expect(face.calls).toHaveLength(1);
  });

  test('is asked about again after a change, and when some time is over', async () => {
    await using face = await aFace(letting(60_000), { answers });
    await ask(face, aRequest(2));
    expect(await ask(face, aRequest(2))).toEqual([2, 1]);
    face.forget();
    expect(await ask(face, aRequest(2))).toEqual(ofMain);
    expect(face.calls).toHaveLength(2);
    await using brief = await aFace(letting(200), { answers });
    expect(await ask(brief, aRequest(2))).toEqual(ofMain);
    await new Promise((resolve) => setTimeout(resolve, 220));
    expect(await ask(brief, aRequest(2))).toEqual(ofMain);
  });

  test('is nothing on the word of a reply that was begun before a change', async () => {
    const begun = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    const reply = async (): Promise<StatusReply> => {
      begun.resolve(undefined);
      await release.promise;
      return letting(60_000)();
    };
    await using face = await aFace(reply, { answers });
    const asked = ask(face, aRequest(2));
    await begun.promise;
    face.forget();
    release.resolve(undefined);
    expect(await asked).toEqual(ofMain);
    expect(await ask(face, aRequest(2))).toEqual(ofMain);
    expect(await ask(face, aRequest(2))).toEqual([2, 1]);
  });

  test('is nothing of an issuer that is not known to be in force', async () => {
    await using face = await aFace(letting(0), { answers });
    for (let i = 0; i < 3; i += 1) expect(await ask(face, aRequest(2))).toEqual(ofMain);
    expect(face.answersOfThreads()).toEqual({ cached: 0, read: 0 });
  });

  test('is all that the main thread is not asked for', async () => {
    await using face = await aFace(letting(60_000), { answers, echoesNonces: true });
    await ask(face, aRequest(2));
    for (const request of [aRequest(11), aRequest(2, nonce), Buffer.from('no request')]) {
      expect(await ask(face, request)).toEqual(ofMain);
    }
    expect(face.calls).toHaveLength(4);
    expect(face.answersOfThreads()).toEqual({ cached: 0, read: 0 });
  });
});

describe('calls that are none', () => {
  test.each([
    ['a body above 16 KiB', 413, Buffer.alloc(16_385)],
    ['a body above 16 KiB of which nobody said how long it is', 413, 'stream'],
  ])('%s is refused with %d', async (_name, status, bytes) => {
    await using face = await aFace(() => answerOf(100));
    const body =
      bytes === 'stream' ? ReadableStream.from([Buffer.alloc(9_000), Buffer.alloc(9_000)]) : bytes;
    const headers = { 'content-type': 'application/ocsp-request' };
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    expect((await fetch(`${face.url}/ocsp`, init)).status).toBe(status);
    expect(face.calls).toHaveLength(0);
  });

  test('bodies that do not end are no more than a share of the memory', async () => {
    await using face = await aFace(() => answerOf(100));
    const head = [
      'POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\n',
      'Content-Length: 16384\r\n\r\n',
    ].join('');
    const sockets = await Promise.all(
      Array.from({ length: 2_100 }, () => neverReading(face.port, head + 'x'.repeat(16_383))),
    );
    const tryLater = '30030a0103';
    let said = '';
    for (let tries = 0; said !== tryLater && tries < 100; tries += 1) {
      const answer = await fetch(`${face.url}/ocsp`, {
        method: 'POST',
        headers: { 'content-type': 'application/ocsp-request' },
        body: new Uint8Array(aRequest(4, padding)),
      });
      said = Buffer.from(await answer.arrayBuffer()).toString('hex');
    }
    expect(said).toBe(tryLater);
    for (const socket of sockets) socket.destroy();
    const path = `/ocsp/${encodeURIComponent(aRequest(4).toString('base64'))}`;
    expect((await (await fetch(face.url + path)).arrayBuffer()).byteLength).toBe(100);
  });
});
