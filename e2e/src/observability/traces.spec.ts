import { CertmillError } from '@certmill/domain';
import { patchedStore } from '../crash/patched-store.js';
import { anOrder, aServer, ndjson, type TestServer } from '../http/test-server.js';
import { csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { anOtlpReceiver, type ReceivedSpan } from './otlp-receiver.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const serverKind = 2;
const consumerKind = 5;

async function upload(
  server: TestServer,
  key: string,
  csrs: readonly DeviceCsr[],
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': key, ...headers },
    body: ndjsonOf(csrs),
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { batchId: string }).batchId;
}

const childrenOf = (spans: readonly ReceivedSpan[], parent: string, name: string): ReceivedSpan[] =>
  spans.filter((span) => span.parentSpanId === parent && span.name === name);

/** The spans of each chunk below an upload's or an enrolment's, checked to be one line of descent. */
function chunkLines(spans: readonly ReceivedSpan[], root: ReceivedSpan): ReceivedSpan[][] {
  return childrenOf(spans, root.spanId, 'certmill.validate.chunk').map((validate) => {
    const [sign, ...otherSigns] = childrenOf(spans, validate.spanId, 'certmill.sign.chunk');
    expect(otherSigns).toEqual([]);
    const publishes = childrenOf(spans, sign?.spanId ?? '?', 'certmill.publish.chunk');
    expect(publishes).toHaveLength(1);
    return [validate, ...(sign === undefined ? [] : [sign]), ...publishes];
  });
}

describe('a server with a collector', () => {
  it('shows an upload and the way of each chunk as one trace, below the span of its caller', async () => {
    await using receiver = await anOtlpReceiver();
    const tracing = { url: receiver.url, ratio: 0 };
    await using server = await aServer({}, {}, { config: { tracing } });
    await anOrder(server, 'o1');
    const csrs = csrsOf(300);
    const batchId = await upload(server, 'traced', csrs, {
      traceparent: `00-${traceId}-${spanId}-01`,
    });
    const spans = await receiver.until((received) => received.length >= 7);
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(new Set(spans.map((span) => span.service))).toEqual(new Set(['certmill']));

    const [root, ...others] = childrenOf(spans, spanId, 'certmill.ingest.upload');
    if (root === undefined) throw new Error('no span of the upload');
    expect([others, root.kind, root.status]).toEqual([[], serverKind, { code: 0 }]);
    expect(root.attributes).toEqual({
      'certmill.tenant': 'default',
      'certmill.batch': batchId,
      'certmill.lane': 'bulk',
      'certmill.requests': 300,
    });
    const lines = chunkLines(spans, root);
    expect(spans).toHaveLength(1 + lines.flat().length);
    const firstRequests = lines.map(([first]) => first?.attributes['certmill.requests']);
    expect(new Set(firstRequests)).toEqual(new Set([256, 44]));
    for (const line of lines) {
      const requests = line[0]?.attributes['certmill.requests'];
      for (const span of line) {
        expect([span.kind, span.status]).toEqual([consumerKind, { code: 0 }]);
        expect(span.attributes).toEqual({
          'certmill.tenant': 'default',
          'certmill.batch': batchId,
          'certmill.chunk': requests === 256 ? 0 : 1,
          'certmill.lane': 'bulk',
          'certmill.requests': requests,
        });
      }
    }
    const secrets = [server.key, csrs[0]?.csr.toString('base64') ?? '?', csrs[0]?.deviceId ?? '?'];
    for (const secret of secrets) expect(receiver.text).not.toContain(secret);
  });

  it('shows an enrolment and the way of its chunk as a trace of its own', async () => {
    await using receiver = await anOtlpReceiver();
    const tracing = { url: receiver.url, ratio: 1 };
    await using server = await aServer({}, {}, { config: { tracing } });
    await anOrder(server, 'o1');
    const [device] = csrsOf(1);
    const enrolled = await server.call('POST', '/v1/orders/o1/certificates?deviceId=dev-0', {
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(device?.csr ?? []),
    });
    expect(enrolled.status).toBe(201);
    const spans = await receiver.until((received) => received.length >= 4);
    const root = spans.find(({ name }) => name === 'certmill.ingest.enroll');
    if (root === undefined) throw new Error('no span of the enrolment');
    expect([root.parentSpanId, root.attributes['certmill.lane']]).toEqual(['', 'interactive']);
    const [line = []] = chunkLines(spans, root);
    expect(line.map(({ name }) => name)).toEqual([
      'certmill.validate.chunk',
      'certmill.sign.chunk',
      'certmill.publish.chunk',
    ]);
    for (const { attributes } of line) {
      expect(attributes).toMatchObject({ 'certmill.lane': 'interactive', 'certmill.requests': 1 });
    }
  });

  it('says of a chunk that failed why, by a code only', async () => {
    await using receiver = await anOtlpReceiver();
    const tracing = { url: receiver.url, ratio: 1 };
    await using server = await aServer(
      {},
      {
        aroundStore: (store) =>
          patchedStore(store, {
            getVerdict: () =>
              Promise.reject(
                new CertmillError('FAULT_PROCESSING', 'hunter2', { cause: new Error('hunter3') }),
              ),
          }),
      },
      { config: { tracing } },
    );
    await anOrder(server, 'o1');
    await upload(server, 'poison', csrsOf(1));
    const spans = await receiver.until((received) => received.length >= 2);
    const failed = spans.find(({ name }) => name === 'certmill.validate.chunk');
    expect(failed?.status).toEqual({ code: 2, message: 'FAULT_PROCESSING' });
    expect(failed?.attributes).toMatchObject({ 'error.type': 'FAULT_PROCESSING' });
    expect(receiver.text).not.toMatch(/hunter/);
  });

  it('traces the share of the uploads that is configured, and no part of the others', async () => {
    await using receiver = await anOtlpReceiver();
    const tracing = { url: receiver.url, ratio: 0 };
    await using server = await aServer({}, {}, { config: { tracing } });
    await anOrder(server, 'o1');
    await upload(server, 'chance', csrsOf(1, 'a'));
    await upload(server, 'refused', csrsOf(1, 'b'), {
      traceparent: `00-${traceId}-${spanId}-00`,
    });
    // The last one: spans are sent in the order in which they end.
    await upload(server, 'wanted', csrsOf(1, 'c'), { traceparent: `00-${traceId}-${spanId}-01` });
    const spans = await receiver.until((received) => received.length >= 4);
    expect(spans).toHaveLength(4);
    const root = spans.find(({ name }) => name === 'certmill.ingest.upload');
    expect(root?.parentSpanId).toBe(spanId);
  });
});
