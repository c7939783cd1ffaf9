import { writeFile } from 'node:fs/promises';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { aWorkFolder } from '../cli/testing/work-folder.js';
import { curlAt, json, ndjsonUpload, openOrder, startServer } from './testing/running-server.js';

interface CallLine {
  readonly msg: string;
  readonly requestId?: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly tenant?: string;
  readonly orderId?: string;
  readonly batchId?: string;
}

const secretBody = 'hunter2-in-a-body';
const secretQuery = 'hunter2-in-a-query';
const privateKey = '-----BEGIN PRIVATE KEY-----\naHVudGVyMi1rZXk=\n-----END PRIVATE KEY-----\n';

describe('the log of a server', () => {
  it('says of each call who, what and how it ended, and holds no secret', async () => {
    await using work = await aWorkFolder();
    await using server = await startServer(work);
    const key = server.key ?? '';
    const curl = curlAt(server.url, key, work.path);
    await curl('POST', '/v1/tenants', ...json({ tenant: 'acme' }));
    const made = await curl('POST', '/v1/tenants/acme/credentials', ...json({ role: 'operator' }));
    const acmeKey = made.json<{ key: string; keyHash: string }>();
    const acme = curlAt(server.url, acmeKey.key, work.path);
    await acme('POST', '/v1/orders', ...openOrder('o1'));
    const [csr] = csrsOf(1, 'dev');
    await writeFile(work.at('one'), ndjsonOf(csr === undefined ? [] : [csr]));
    const upload = [...ndjsonUpload('k'), '--data-binary', '@one'];
    const { location } = await acme('POST', '/v1/orders/o1/batches', ...upload);
    await acme('GET', `${location}/certificates?follow=true`);
    // What must not get into the log, in every place that a client can put it.
    await acme('POST', `/v1/orders?x=${secretQuery}`, ...json({ password: secretBody }));
    await acme('GET', `/v1/orders/${key}`);
    await acme('GET', `/v1/${key}`);
    await acme('GET', `/v1/batches/${acmeKey.key}`);
    await writeFile(work.at('key.pem'), privateKey);
    const pem = ['-H', 'content-type: application/x-pem-file', '--data-binary', '@key.pem'];
    await acme('POST', '/v1/orders/o1/certificates?deviceId=d', ...pem);
    const unknown = curlAt(server.url, `cm_${'Z'.repeat(43)}`, work.path);
    await unknown('GET', '/v1/orders/o1');
    const { stderr } = await server.stop();

    const lines = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as CallLine);
    const calls = lines.filter(({ msg }) => msg === 'call');
    const callTo = (method: string, route: string, status: number): CallLine | undefined =>
      calls.find(
        (call) => call.method === method && call.route === route && call.status === status,
      );
    const batchId = location.split('/').at(-1);
    expect(callTo('POST', '/v1/tenants', 201)).toMatchObject({ tenant: 'default' });
    expect(callTo('POST', '/v1/orders', 201)).toMatchObject({ tenant: 'acme' });
    expect(callTo('POST', '/v1/orders/:orderId/batches', 202)).toMatchObject({
      tenant: 'acme',
      orderId: 'o1',
    });
    expect(callTo('GET', '/v1/batches/:batchId/certificates', 200)).toMatchObject({
      tenant: 'acme',
      batchId,
    });
    const refused = callTo('GET', '/v1/orders/:orderId', 401);
    expect(refused).toMatchObject({ orderId: 'o1' });
    expect(refused).not.toHaveProperty('tenant');
    expect(callTo('GET', '/v1/orders/:orderId', 404)).not.toHaveProperty('orderId');
    for (const call of calls) expect(call.requestId).toMatch(/^[0-9a-f-]{36}$/);

    const secrets = [key, acmeKey.key, 'ZZZZZZ', secretBody, secretQuery, 'aHVudGVyMi1rZXk='];
    for (const secret of [...secrets, csr?.csr.toString('base64') ?? '?'])
      expect(stderr).not.toContain(secret);
    expect(calls.length).toBeGreaterThan(10);
  });
});
