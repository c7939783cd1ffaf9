import { check, sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import { callApi, mustCallApi } from './call-api.js';
import type { FileBytes } from './file-bytes.js';
import type { Tenant } from './open-tenant.js';

interface Batch {
  readonly batchId: string;
  readonly state: string;
  readonly total?: number;
  readonly counters: {
    readonly accepted: number;
    readonly issued: number;
    readonly rejected: number;
    readonly deadLettered: number;
  };
}

const pollSeconds = 0.1;

const issued = new Counter('certmill_batch_certificates');
const batches = new Counter('certmill_batches_complete');
const milliseconds = new Trend('certmill_batch_ms', true);
/** Points in time: from the first upload's first octet to the end of the last batch is the run. */
const begins = new Trend('certmill_batch_begin');
const ends = new Trend('certmill_batch_end');

/**
 * Uploads a batch and waits until each of its requests has its certificate: an answer to the upload says
 * only that it is durable.
 */
export async function issueBatch(
  tenant: Tenant,
  requests: FileBytes,
  count: number,
  idempotencyKey: string,
): Promise<void> {
  const body = await requests.read();
  const begun = Date.now();
  const batch = complete(tenant, body, idempotencyKey);
  const ended = Date.now();
  const isComplete = check(batch, {
    'every request of the batch has a certificate': ({ state, total, counters }) =>
      state === 'complete' && total === count && counters.issued === count,
  });
  if (isComplete) batches.add(1);
  issued.add(batch.counters.issued);
  milliseconds.add(ended - begun);
  begins.add(begun);
  ends.add(ended);
}

/** The same, and nothing of it in the figures. */
export async function warmUp(tenant: Tenant, requests: FileBytes): Promise<void> {
  complete(tenant, await requests.read(), 'warm-up');
}

function complete(tenant: Tenant, body: ArrayBuffer, idempotencyKey: string): Batch {
  const { batchId } = mustCallApi({
    name: 'upload batch',
    method: 'POST',
    path: `/v1/orders/${tenant.orderId}/batches`,
    key: tenant.key,
    body,
    contentType: 'application/x-ndjson',
    headers: { 'idempotency-key': idempotencyKey },
  }) as Batch;
  for (;;) {
    const answer = callApi({
      name: 'show batch',
      method: 'GET',
      path: `/v1/batches/${batchId}`,
      key: tenant.key,
    });
    if (answer.status === 200) {
      const batch = answer.json() as Batch;
      if (batch.state !== 'uploading' && batch.state !== 'processing') return batch;
    }
    sleep(pollSeconds);
  }
}
