import '../one-realm.js';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Server } from '@certmill/standalone';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { aWorkFolder } from '../cli/testing/work-folder.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { aServerIn } from '../http/test-server.js';
import { curlAt, openOrder, startServer } from '../server/testing/running-server.js';
import {
  boundDatabase,
  boundDelayMs,
  boundedDatabaseModule,
  unboundDatabase,
} from './bounded-database.js';

interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly nextIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const perBatch = 40;

/** Batches of new devices, one after the other, and what became of their uploads. */
class Uploads {
  readonly acknowledged = new Map<string, string>();
  readonly codes: string[] = [];
  #next = 0;
  readonly #prefix: string;
  readonly #send: (key: string, lines: string) => Promise<Response>;

  constructor(prefix: string, send: (key: string, lines: string) => Promise<Response>) {
    this.#prefix = prefix;
    this.#send = send;
  }

  /** Sends one; resolves to its code where it was refused, which must be a coded one. */
  async one(): Promise<string | undefined> {
    const key = `${this.#prefix}-${String(this.#next++)}`;
    return this.#try(key, ndjsonOf(csrsOf(perBatch, key)));
  }

  /** Until one is refused; then sends that very one until it is taken. */
  async untilRefused(then: () => Promise<void>): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const key = `${this.#prefix}-${String(this.#next++)}`;
      const lines = ndjsonOf(csrsOf(perBatch, key));
      if ((await this.#try(key, lines)) === undefined) continue;
      await then();
      for (let again = 0; (await this.#try(key, lines)) !== undefined; again++) {
        if (again > 50) throw new RangeError('it is not taken, though there is room');
        await pause(100);
      }
      return;
    }
    throw new RangeError('nothing was refused');
  }

  async #try(key: string, lines: string): Promise<string | undefined> {
    const response = await this.#send(key, lines);
    const body = (await response.json()) as { batchId: string; code?: string };
    if (response.status === 202) {
      this.acknowledged.set(key, body.batchId);
      return undefined;
    }
    const code = `${String(response.status)} ${body.code ?? 'no code'}`;
    this.codes.push(code);
    return code;
  }
}

async function verified(data: string): Promise<void> {
  await using opened = await openStoreForReading(data);
  const result = await verifyFolder(opened, () => undefined);
  expect(result).toMatchObject({ findings: [], inFlight: 0 });
}

describe('a database that finds no room', () => {
  let data = '';
  let controlFile = '';
  let server: Server;
  let key = '';

  const start = async (): Promise<void> => {
    const setup = { config: { stopTimeoutMs: 500 } };
    const overrides = { storeDiskModule: boundedDatabaseModule(controlFile) };
    const started = await aServerIn(data, setup, {}, overrides);
    server = started.server;
    key = started.key === '' ? key : started.key;
  };
  const call = (method: string, path: string, more: CallOptions = {}): Promise<Response> =>
    fetch(server.url + path, {
      ...more,
      method,
      headers: { authorization: `Bearer ${key}`, ...more.headers },
    });
  const batchOf = async (batchId: string): Promise<BatchBody> =>
    (await (await call('GET', `/v1/batches/${batchId}`)).json()) as BatchBody;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'certmill-full-'));
    controlFile = join(data, 'bound');
    await start();
    await call('POST', '/v1/orders', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        orderId: 'o1',
        profile: 'tls-client',
        quota: 100_000,
        requiresAllowList: false,
        expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      }),
    });
  });

  afterAll(async () => {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  });

  it.each([0, 1, 9])(
    'with %d pages left acknowledges nothing that is not durable, says so and goes on with room',
    async (morePages) => {
      const uploads = new Uploads(`left-${String(morePages)}`, (idempotencyKey, body) =>
        call('POST', '/v1/orders/o1/batches', {
          headers: {
            'content-type': 'application/x-ndjson',
            'idempotency-key': idempotencyKey,
          },
          body,
        }),
      );
      expect(await uploads.one()).toBeUndefined();
      boundDatabase(controlFile, morePages);
      await pause(boundDelayMs);
      await uploads.untilRefused(async () => {
        // Full still: another process finds all that was acknowledged.
        await server.stop();
        await start();
        for (const batchId of uploads.acknowledged.values()) {
          expect(await batchOf(batchId)).toMatchObject({
            nextIndex: perBatch,
            total: perBatch,
            counters: { accepted: perBatch, deadLettered: 0, rejected: 0 },
          });
        }
        unboundDatabase(controlFile);
        await pause(boundDelayMs);
      });
      expect(new Set(uploads.codes)).toEqual(new Set(['507 FAULT_DISK_FULL']));
      for (const batchId of uploads.acknowledged.values()) {
        const path = `/v1/batches/${batchId}/certificates?follow=true&format=ndjson`;
        const text = await (await call('GET', path)).text();
        expect(text.trim().split('\n')).toHaveLength(perBatch);
        expect((await batchOf(batchId)).state).toBe('complete');
      }
      expect((await call('GET', '/readyz')).status).toBe(200);
    },
  );

  it('leaves a sound store', async () => {
    await server.stop();
    await verified(data);
  });
});

const execute = promisify(execFile);

describe('a server whose files may not grow', () => {
  // The kernel refuses each write beyond the limit (EFBIG), to whatever file, of log, store or SQLite.
  it('refuses with a code, keeps what it acknowledged through a kill, and goes on', async () => {
    await using work = await aWorkFolder();
    await using first = await startServer(work);
    const key = first.key ?? '';
    let url = first.url;
    const call = (method: string, path: string, more: CallOptions = {}): Promise<Response> =>
      fetch(url + path, {
        ...more,
        method,
        headers: { authorization: `Bearer ${key}`, ...more.headers },
      });
    const batchOf = async (batchId: string): Promise<BatchBody> =>
      (await (await call('GET', `/v1/batches/${batchId}`)).json()) as BatchBody;
    await curlAt(url, key, work.path)('POST', '/v1/orders', ...openOrder('o1'));
    const uploads = new Uploads('grow', (idempotencyKey, body) =>
      call('POST', '/v1/orders/o1/batches', {
        headers: {
          'content-type': 'application/x-ndjson',
          'idempotency-key': idempotencyKey,
        },
        body,
      }),
    );
    expect(await uploads.one()).toBeUndefined();
    const wal = await stat(work.at('data', 'store', 'certmill.db-wal'));
    const limit = async (pid: number | undefined, octets: number | 'unlimited'): Promise<void> => {
      await execute('prlimit', ['--pid', String(pid), `--fsize=${String(octets)}:unlimited`]);
    };
    await limit(first.child.pid, wal.size + 50_000);
    let running = first;
    await uploads.untilRefused(async () => {
      // Refused more than once: the fault is not over with the first.
      for (let i = 0; i < 10; i++) await uploads.one();
      first.child.kill('SIGKILL');
      await once(first.child, 'close');
      running = await startServer(work);
      ({ url } = running);
      for (const batchId of uploads.acknowledged.values()) {
        expect(await batchOf(batchId)).toMatchObject({
          nextIndex: perBatch,
          total: perBatch,
          counters: { accepted: perBatch, deadLettered: 0, rejected: 0 },
        });
      }
    });
    await using second = running;
    for (const code of uploads.codes)
      expect(code).toMatch(/^50[37] FAULT_(?:DISK_FULL|STORE_DOWN)$/);
    for (const batchId of uploads.acknowledged.values()) {
      const path = `/v1/batches/${batchId}/certificates?follow=true&format=ndjson`;
      const text = await (await call('GET', path)).text();
      expect(text.trim().split('\n')).toHaveLength(perBatch);
    }
    expect((await second.stop()).exitCode).toBe(0);
    await verified(work.at('data'));
  });

  it('goes on in the same process when there is room again', async () => {
    await using work = await aWorkFolder();
    await using server = await startServer(work);
    const key = server.key ?? '';
    const { url, child } = server;
    await curlAt(url, key, work.path)('POST', '/v1/orders', ...openOrder('o1'));
    const uploads = new Uploads('same', (idempotencyKey, body) =>
      fetch(`${url}/v1/orders/o1/batches`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/x-ndjson',
          'idempotency-key': idempotencyKey,
        },
        body,
      }),
    );
    expect(await uploads.one()).toBeUndefined();
    const limit = (octets: number | 'unlimited') =>
      execute('prlimit', ['--pid', String(child.pid), `--fsize=${String(octets)}:unlimited`]);
    // Under what the write-ahead log of SQLite has already: nothing can be written to it.
    await limit(4_096);
    await uploads.untilRefused(async () => {
      for (let i = 0; i < 5; i++) await uploads.one();
      await limit('unlimited');
    });
    expect(new Set(uploads.codes)).toEqual(new Set(['503 FAULT_STORE_DOWN']));
    for (const batchId of uploads.acknowledged.values()) {
      const path = `/v1/batches/${batchId}/certificates?follow=true&format=ndjson`;
      const answer = await fetch(url + path, { headers: { authorization: `Bearer ${key}` } });
      expect((await answer.text()).trim().split('\n')).toHaveLength(perBatch);
    }
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await server.stop()).exitCode).toBe(0);
    await verified(work.at('data'));
  });
});
