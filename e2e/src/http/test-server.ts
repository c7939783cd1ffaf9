import '../one-realm.js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve, serveSchema, type IssuanceOverrides, type Server } from '@certmill/standalone';
import { createHierarchy } from '@certmill/trust';

export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
  readonly key: string;
  /** A call with the first credential, or with `key`. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly json?: unknown;
  /** null: no credential at all. */
  readonly key?: string | null;
}

/** The real server, all roles, on a new data folder with an issuer of its own. */
export async function aServer(
  http: Record<string, unknown> = {},
  overrides: IssuanceOverrides = {},
): Promise<TestServer> {
  const data = await mkdtemp(join(tmpdir(), 'certmill-http-'));
  const passphrase = 'only for this test';
  await createHierarchy({ name: 'dev', directory: data, passphrase, nowMs: Date.now() });
  const passphraseFile = join(data, 'test-passphrase');
  await writeFile(passphraseFile, passphrase);
  const config = serveSchema.parse({
    data,
    passphraseFile,
    workers: { validate: 1, sign: 1 },
    logLevel: 'silent',
    stopTimeoutMs: 3_000,
    http: { port: 0, ...http },
  });
  const server = await serve(config, overrides);
  const { key = '' } = (await server.openFirstCredential()) ?? {};
  return {
    server,
    url: server.url,
    key,
    call(method, path, options = {}) {
      const bearer = options.key === undefined ? key : options.key;
      const headers = {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      };
      const body = options.json === undefined ? options.body : JSON.stringify(options.json);
      return fetch(server.url + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body, duplex: 'half' }),
      });
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Opens an order of `tls-client` without an allow-list. */
export async function anOrder(
  server: TestServer,
  orderId: string,
  overrides: Record<string, unknown> = {},
): Promise<Response> {
  return server.call('POST', '/v1/orders', {
    json: {
      orderId,
      profile: 'tls-client',
      quota: 10_000,
      requiresAllowList: false,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      ...overrides,
    },
  });
}

export const ndjson = { 'content-type': 'application/x-ndjson' };
