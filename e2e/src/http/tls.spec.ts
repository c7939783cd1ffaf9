import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { openssl } from '../cli/testing/openssl.js';
import { rawCall } from './raw-call.js';
import { aDataFolder, aServer, type TestServer } from './test-server.js';

const newKey = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const;

/** Certificates as an administrator makes them, in a folder: `<name>.pem` and `<name>.key`. */
function certificatesIn(folder: string) {
  const at = (file: string): string => join(folder, file);
  return {
    at,
    ca(name: string): void {
      const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
      openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-days', '2', ...files);
    },
    leaf(name: string, ca: string): void {
      const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
      const signer = ['-CA', at(`${ca}.pem`), '-CAkey', at(`${ca}.key`)];
      const extensions = [
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-addext',
        'basicConstraints=CA:FALSE',
      ];
      openssl(
        'req',
        '-x509',
        ...newKey,
        ...signer,
        '-subj',
        `/CN=${name}`,
        ...extensions,
        ...files,
      );
    },
    identity(name: string): SecureContextOptions {
      return { cert: readFileSync(at(`${name}.pem`)), key: readFileSync(at(`${name}.key`)) };
    },
  };
}

let folder: Awaited<ReturnType<typeof aDataFolder>>;
let made: ReturnType<typeof certificatesIn>;
beforeAll(async () => {
  folder = await aDataFolder();
  made = certificatesIn(folder.path);
  made.ca('server-ca');
  made.ca('factory-ca');
  made.ca('other-ca');
  made.leaf('server', 'server-ca');
  made.leaf('line-7', 'factory-ca');
  made.leaf('stranger', 'other-ca');
});
afterAll(() => folder[Symbol.asyncDispose]());

/** A call over a connection of its own; rejects where the handshake or the connection fails. */
async function callTls(
  server: TestServer,
  options: SecureContextOptions = {},
  key: string = server.key,
): Promise<{ readonly status: number | undefined; readonly protocol: string | null }> {
  const call = request(`${server.url}/v1/orders`, {
    ca: readFileSync(made.at('server-ca.pem')),
    headers: { authorization: `Bearer ${key}` },
    agent: false,
    ...options,
  });
  call.end();
  const [response] = (await once(call, 'response')) as [
    { statusCode?: number; socket: { getProtocol(): string | null }; resume(): void },
  ];
  const protocol = response.socket.getProtocol();
  response.resume();
  return { status: response.statusCode, protocol };
}

describe('TLS', () => {
  let server: TestServer;
  beforeAll(async () => {
    const tls = { certFile: made.at('server.pem'), keyFile: made.at('server.key') };
    server = await aServer({ tls, limits: { headersTimeoutMs: 2_000 } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('serves calls to clients that trust its CA, from TLS 1.2 on', async () => {
    expect(new URL(server.url).protocol).toBe('https:');
    expect(await callTls(server)).toEqual({ status: 200, protocol: 'TLSv1.3' });
    const older = { maxVersion: 'TLSv1.2' } as const;
    expect(await callTls(server, older)).toEqual({ status: 200, protocol: 'TLSv1.2' });
    expect(await callTls(server, {}, 'cm_none')).toMatchObject({ status: 401 });
  });

  it("refuses what is older: the alert is the server's", async () => {
    const old = {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    } as const;
    await expect(callTls(server, old)).rejects.toThrow(/alert protocol version/);
  });

  it('is not taken for good by a client of another CA', async () => {
    const ca = readFileSync(made.at('other-ca.pem'));
    await expect(callTls(server, { ca })).rejects.toMatchObject({
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    });
  });

  it('says nothing to a client without TLS', async () => {
    const { answer } = rawCall(
      server.url.replace('https:', 'http:'),
      `GET /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\n\r\n`,
    );
    expect(await answer).not.toContain('200');
  });

  const silent = (to: TestServer): Socket => {
    const { hostname, port } = new URL(to.url);
    const socket = connect(Number(port), hostname);
    return socket.on('error', () => undefined).resume();
  };

  it('cuts a connection that never begins its handshake', async () => {
    await once(silent(server), 'close');
    // Node itself does so after two minutes.
  }, 60_000);

  it('does not let such a connection hold up a stop', async () => {
    const tls = { certFile: made.at('server.pem'), keyFile: made.at('server.key') };
    const patient = await aServer({ tls, limits: { headersTimeoutMs: 60_000 } });
    const socket = silent(patient);
    await once(socket, 'connect');
    await callTls(patient);
    await patient[Symbol.asyncDispose]();
    expect(socket.destroyed || socket.readableEnded).toBe(true);
  }, 45_000);
});

describe('mutual TLS', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await aServer({
      tls: {
        certFile: made.at('server.pem'),
        keyFile: made.at('server.key'),
        clientCaFile: made.at('factory-ca.pem'),
      },
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('serves a client that has a certificate of the CA, and still asks for its key', async () => {
    const identity = made.identity('line-7');
    expect(await callTls(server, identity)).toMatchObject({ status: 200 });
    expect(await callTls(server, identity, 'cm_none')).toMatchObject({ status: 401 });
  });

  it.each([
    ['no certificate', () => ({})],
    ['a certificate of another CA', () => made.identity('stranger')],
  ] as const)('refuses a client with %s', async (_, identity) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const call = async (): Promise<unknown> => callTls(server, { ...identity(), maxVersion });
      await expect(call()).rejects.toThrow(
        /alert (handshake failure|certificate required|unknown ca)|ECONNRESET|EPIPE|hang up|disconnected before/,
      );
    }
  });
});

describe('listening', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'factory.example', '127.example'])(
    'on %s without TLS is refused before anything listens',
    async (host) => {
      await expect(aServer({ host })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`refusing to listen on ${host} without TLS`) as string,
      });
    },
  );

  it.each(['127.0.0.1', '::1', 'localhost'])('on %s needs none', async (host) => {
    await using server = await aServer({ host });
    expect((await server.call('GET', '/healthz')).status).toBe(200);
  });

  it('says which file of the TLS configuration cannot be read', async () => {
    const tls = { certFile: made.at('server.pem'), keyFile: made.at('no-such.key') };
    await expect(aServer({ tls })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('no-such.key') as string,
    });
  });
});
