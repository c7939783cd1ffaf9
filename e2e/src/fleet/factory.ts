import { setTimeout as pause } from 'node:timers/promises';
import { ndjson } from '../http/test-server.js';
import { ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { call, type Face } from './migrate/answers.js';

/** A batch as clients see it. */
export interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly nextIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

async function json<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

export function anUpload(
  face: Face,
  order: string,
  name: string,
  csrs: readonly DeviceCsr[],
  query = '',
) {
  return json<BatchBody>(
    call(face, 'POST', `/v1/orders/${order}/batches${query}`, {
      headers: { ...ndjson, 'idempotency-key': name },
      body: ndjsonOf(csrs),
    }),
  );
}

export function show(face: Face, batchId: string): Promise<BatchBody> {
  return json<BatchBody>(call(face, 'GET', `/v1/batches/${batchId}`));
}

/** Everything of it has ended, or waits for somebody. */
export async function whenDone(face: Face, batchId: string): Promise<BatchBody> {
  const deadline = performance.now() + 240_000;
  for (;;) {
    const batch = await show(face, batchId);
    if (batch.counters['inFlight'] === 0 && batch.state !== 'uploading') return batch;
    if (performance.now() > deadline) throw new Error(`it does not end: ${JSON.stringify(batch)}`);
    await pause(50);
  }
}

/** How often each code. */
export async function rejectionsOf(face: Face, batchId: string): Promise<Map<string, number>> {
  const text = await (await call(face, 'GET', `/v1/batches/${batchId}/rejections`)).text();
  const counts = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const { code } = JSON.parse(line) as { code: string };
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
}

/** Newest first. */
export async function batchesOf(face: Face, order: string): Promise<readonly BatchBody[]> {
  return (await json<{ items: BatchBody[] }>(call(face, 'GET', `/v1/orders/${order}/batches`)))
    .items;
}

/** An upload whose connection breaks at its end: what arrived is accepted. */
export async function cutOff(
  face: Face,
  order: string,
  name: string,
  csrs: readonly DeviceCsr[],
): Promise<void> {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(Buffer.from(ndjsonOf(csrs)));
      const deadline = performance.now() + 120_000;
      for (;;) {
        const [newest] = await batchesOf(face, order);
        if ((newest?.nextIndex ?? 0) >= 512 || performance.now() > deadline) break;
        await pause(50);
      }
      controller.error(new Error('the line is cut'));
    },
  });
  await call(face, 'POST', `/v1/orders/${order}/batches`, {
    headers: { ...ndjson, 'idempotency-key': name },
    body,
  });
}
