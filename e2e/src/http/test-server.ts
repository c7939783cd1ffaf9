import '../one-realm.js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StatusAddresses } from '@certmill/domain';
import { serve, serveSchema, type IssuanceOverrides, type Server } from '@certmill/standalone';
import { loadIssuers, type IssuerKeyType } from '@certmill/trust';
import { hierarchyIn, passphrase } from './made-hierarchies.js';

export { passphrase } from './made-hierarchies.js';

export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
  readonly key: string;
  readonly data: string;
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

export interface TestSetup {
  /** Issuing CAs of the data folder with the type of their keys; `dev` on P-256 alone where absent. */
  readonly issuers?: Readonly<Record<string, IssuerKeyType>>;
  /** Where the status of their certificates is told. */
  readonly status?: StatusAddresses;
  /** Of the root above them. */
  readonly rootKey?: IssuerKeyType;
  /** Keys of the configuration beside those of the test server itself. */
  readonly config?: Record<string, unknown>;
  /** Overrides that need to know the data folder. */
  readonly overridesIn?: (data: string) => IssuanceOverrides;
}

/** A new folder that is removed at the end. */
export async function aDataFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'certmill-http-'));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  return { path, [Symbol.asyncDispose]: remove };
}

/** The real server, all roles, on a new data folder with issuers of its own. */
export async function aServer(
  http: Record<string, unknown> = {},
  overrides: IssuanceOverrides = {},
  setup: TestSetup = {},
): Promise<TestServer> {
  const folder = await aDataFolder();
  try {
    const server = await aServerIn(folder.path, setup, http, overrides);
    return {
      ...server,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** The same in a folder of the test, which stays; issuers are made where it has none. */
export async function aServerIn(
  data: string,
  setup: TestSetup = {},
  http: Record<string, unknown> = {},
  overrides: IssuanceOverrides = {},
): Promise<TestServer> {
  const passphraseFile = join(data, 'test-passphrase');
  if ((await loadIssuers(data)).length === 0) {
    const { issuers = { dev: 'ec-p256' }, status, rootKey } = setup;
    await hierarchyIn(data, { issuers, status, rootKey });
    await writeFile(passphraseFile, passphrase);
  }
  const config = serveSchema.parse({
    data,
    passphraseFile,
    workers: { validate: 1, sign: 1 },
    logLevel: 'silent',
    stopTimeoutMs: 3_000,
    http: { port: 0, ...http },
    ...setup.config,
  });
  const server = await serve(config, { ...overrides, ...setup.overridesIn?.(data) });
  const first = await server.openFirstCredential().catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  const { key = '' } = first ?? {};
  return {
    server,
    url: server.url,
    key,
    data,
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
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Opens an order of `tls-client` without an allow-list. */
export async function anOrder(
  server: TestServer,
  orderId: string,
  overrides: Record<string, unknown> = {},
  key = server.key,
): Promise<Response> {
  return server.call('POST', '/v1/orders', {
    key,
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

/** Opens a tenant, and a key of it with the role. */
export async function aTenantKey(
  server: TestServer,
  tenant: string,
  role = 'operator',
): Promise<string> {
  await server.call('POST', '/v1/tenants', { json: { tenant } });
  const path = `/v1/tenants/${tenant}/credentials`;
  const made = await server.call('POST', path, { json: { role } });
  return ((await made.json()) as { key: string }).key;
}

export const ndjson = { 'content-type': 'application/x-ndjson' };
