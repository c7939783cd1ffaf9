import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { BatchAnswer } from '../crash/factory-client.js';
import { ndjsonLineOf, type DeviceCsr } from '../testing/a-csr.js';

const orderId = 'devices';
const pollMs = 50;
const patienceMs = 240_000;

/** A tenant with one order for any device, over one ingest. */
export class FleetTenant {
  readonly #url: string;
  readonly #key: string;

  private constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  static async open(
    url: string,
    adminKey: string,
    tenant: string,
    quota: number,
  ): Promise<FleetTenant> {
    const post = async <T>(key: string, path: string, body: object): Promise<T> =>
      (await call(url, key, path, { method: 'POST', body: JSON.stringify(body) })).json() as T;
    await post(adminKey, '/v1/tenants', { tenant });
    const { key } = await post<{ key: string }>(adminKey, `/v1/tenants/${tenant}/credentials`, {
      role: 'operator',
      label: 'e2e',
    });
    await post(key, '/v1/orders', {
      orderId,
      profile: 'tls-client',
      quota,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      requiresAllowList: false,
    });
    return new FleetTenant(url, key);
  }

  /** Resolves when all of it is durable, to the batch's id. */
  async upload(ndjson: string, idempotencyKey: string): Promise<string> {
    const answer = await call(this.#url, this.#key, `/v1/orders/${orderId}/batches`, {
      method: 'POST',
      body: ndjson,
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': idempotencyKey },
    });
    return ((await answer.json()) as BatchAnswer).batchId;
  }

  /** By the Idempotency-Key, as soon as an upload has opened it. */
  async batchOf(idempotencyKey: string): Promise<BatchAnswer | undefined> {
    const path = `/v1/orders/${orderId}/batches?idempotencyKey=${idempotencyKey}`;
    const answer = await call(this.#url, this.#key, path);
    return ((await answer.json()) as { items: readonly BatchAnswer[] }).items[0];
  }

  /** Polls until the batch is as it is waited for. */
  async whenBatch(
    idempotencyKey: string,
    isSo: (batch: BatchAnswer) => boolean,
  ): Promise<BatchAnswer> {
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline) {
      const batch = await this.batchOf(idempotencyKey);
      if (batch !== undefined && isSo(batch)) return batch;
      await pause(pollMs);
    }
    assert.fail(`batch ${idempotencyKey} was not as it was waited for`);
  }

  async cancel(batchId: string): Promise<void> {
    await call(this.#url, this.#key, `/v1/batches/${batchId}`, { method: 'DELETE' });
  }

  /** One device; resolves to the milliseconds until its certificate was there. */
  async enrol({ deviceId, csr }: DeviceCsr): Promise<number> {
    const begun = performance.now();
    const answer = await call(this.#url, this.#key, `/v1/orders/${orderId}/certificates`, {
      method: 'POST',
      body: ndjsonLineOf(deviceId, csr),
    });
    const text = await answer.text();
    assert.ok(text.startsWith('-----BEGIN CERTIFICATE-----'), `${String(answer.status)}: ${text}`);
    return performance.now() - begun;
  }
}

interface CallOptions {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(
  url: string,
  key: string,
  path: string,
  { headers = {}, ...options }: CallOptions = {},
): Promise<Response> {
  const answer = await fetch(url + path, {
    ...options,
    headers: {
      authorization: `Bearer ${key}`,
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  if (!answer.ok) assert.fail(`${path}: ${String(answer.status)} ${await answer.text()}`);
  return answer;
}
