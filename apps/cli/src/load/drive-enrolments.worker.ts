import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import type { EnrolmentLoad, EnrolmentTimes } from './drive-enrolments.js';

const { url, key, orderId, requestsFile, perSecond } = workerData as EnrolmentLoad;
const lines = readFileSync(requestsFile, 'utf8').trimEnd().split('\n');
const agent = new Agent({ keepAlive: true, maxSockets: 128 });
const target = new URL(`/v1/orders/${orderId}/certificates`, url);
const milliseconds: number[] = [];
const underWay = new Set<Promise<void>>();
const stop = new AbortController();
let failed = 0;

parentPort?.once('message', () => stop.abort());

const begun = performance.now();
for (const [i, line] of lines.entries()) {
  const dueAt = begun + (i * 1_000) / perSecond;
  const early = dueAt - performance.now();
  if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  if (stop.signal.aborted) break;
  const enrolment = enrol(line)
    .then((status) => {
      if (status === 201 || status === 200) milliseconds.push(performance.now() - dueAt);
      else failed++;
    })
    .catch(() => failed++)
    .then(() => {
      underWay.delete(enrolment);
    });
  underWay.add(enrolment);
}
await Promise.all(underWay);
if (!stop.signal.aborted) await once(stop.signal, 'abort');
agent.destroy();
parentPort?.postMessage({ milliseconds, failed } satisfies EnrolmentTimes);

function enrol(body: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  const outgoing = request(target, { method: 'POST', agent, headers }, (response) => {
    response.on('error', reject).on('end', () => resolve(response.statusCode ?? 0));
    response.resume();
  });
  outgoing.on('error', reject).end(body);
  return promise;
}
