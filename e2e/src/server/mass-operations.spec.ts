import { runCertmill } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import {
  curlAt,
  ndjsonFile,
  ndjsonUpload,
  openOrder,
  startServer,
  type Curl,
} from './testing/running-server.js';

const population = 2_000;

interface Told {
  readonly operationId: string;
  readonly state: string;
  readonly counts: Readonly<Record<string, number>>;
}

let work: WorkFolder;
beforeEach(async () => {
  work = await aWorkFolder();
});
afterEach(() => work[Symbol.asyncDispose]());

/** `certmill mass ... --json` against a server. */
async function mass(at: { url: string; key: string }, ...args: string[]): Promise<Told> {
  const env = { CERTMILL_SERVER: at.url, CERTMILL_API_KEY: at.key };
  const { exitCode, stdout, stderr } = await runCertmill(['mass', ...args, '--json'], {
    cwd: work.path,
    env,
  });
  expect([exitCode, stderr]).toEqual([0, expect.anything()]);
  return JSON.parse(stdout) as Told;
}

/**
 * Begins an operation by a command and resolves once some of it is done: to how much. A command takes a second to
 * start and to end on a busy machine, and the operation is over soon after, so the server itself is asked.
 */
async function inTheMiddle(
  { url, key }: { readonly url: string; readonly key: string },
  count: string,
  ...args: readonly string[]
): Promise<{ readonly done: number; readonly ended: Promise<unknown> }> {
  const env = { CERTMILL_SERVER: url, CERTMILL_API_KEY: key };
  const ended = runCertmill(['mass', ...args, '--patience', '5'], { cwd: work.path, env });
  const [, operationId = ''] = args;
  for (;;) {
    const answer = await fetch(`${url}/v1/operations/${operationId}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const { counts } = (await answer.json()) as Partial<Told>;
    const done = counts?.[count] ?? 0;
    if (done > 0) return { done, ended };
  }
}

async function issued(curl: Curl): Promise<void> {
  await curl('POST', '/v1/orders', ...openOrder('spring'));
  await ndjsonFile(work, 'csrs.ndjson', population);
  const upload = [...ndjsonUpload('first'), '--data-binary', `@${work.at('csrs.ndjson')}`];
  const batch = await curl('POST', '/v1/orders/spring/batches', ...upload);
  await curl('GET', `${batch.location}/certificates?follow=true`);
}

async function actionsOf(curl: Curl, operation: string): Promise<readonly string[]> {
  const { items } = (await curl('GET', '/v1/audit?limit=1000')).json<{
    readonly items: readonly { action: string; detail: Record<string, unknown> }[];
  }>();
  return items
    .filter(({ detail }) => detail['operation'] === operation)
    .map(({ action }) => action);
}

describe('a mass revocation', () => {
  test('whose server is killed in the middle goes on when it starts again, and revokes none twice', async () => {
    let key = '';
    {
      await using server = await startServer(work);
      key = server.key ?? '';
      const curl = curlAt(server.url, key, work.path);
      await issued(curl);
      const at = { url: server.url, key };
      const selection = ['--order', 'spring', '--reason', 'cessationOfOperation'];
      const dry = await mass(at, 'revoke', 'give-up', ...selection, '--dry-run');
      expect(dry).toMatchObject({ state: 'dry-run', counts: { changed: population } });
      const asked = ['revoke', 'give-up', ...selection, '--rate', '1000', '--yes'];
      const { done, ended } = await inTheMiddle(at, 'lookedAt', ...asked);
      server.child.kill('SIGKILL');
      expect(done).toBeLessThan(population);
      await Promise.all([server.ended, ended]);
    }
    await using server = await startServer(work);
    const curl = curlAt(server.url, key, work.path);
    const ended = await mass({ url: server.url, key }, 'watch', 'give-up');
    expect(ended).toMatchObject({
      state: 'done',
      counts: { lookedAt: population, changed: population, unchanged: 0, refused: 0 },
    });
    expect(await actionsOf(curl, 'give-up')).toEqual([
      'mass-operation.begun',
      'mass-operation.ended',
    ]);
    await server.stop();
    const rows = ['--order', 'spring', '--reason', 'cessationOfOperation', '--dry-run', '--json'];
    const told = await runCertmill(['revoke', ...rows, '--data', 'data'], { cwd: work.path });
    expect(JSON.parse(told.stdout)).toMatchObject({ changed: 0, unchanged: population });
    const verified = await runCertmill(['verify-store', '--data', 'data'], { cwd: work.path });
    expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining('sound')]);
  });
});

describe('a mass reissue', () => {
  test('whose server is killed in the middle goes on, and issues every certificate once more', async () => {
    let key = '';
    {
      await using server = await startServer(work);
      key = server.key ?? '';
      await issued(curlAt(server.url, key, work.path));
      const at = { url: server.url, key };
      const [, issuer = ''] = /"issuer":"([^"]+)"/.exec(
        (await curlAt(server.url, key)('GET', '/v1/orders/spring')).body,
      )!;
      const to = ['--to-issuer', issuer, '--to-profile', 'tls-client'];
      const asked = ['reissue', 'again', '--order', 'spring', ...to, '--rate', '1000', '--yes'];
      const { done, ended } = await inTheMiddle(at, 'submitted', ...asked);
      server.child.kill('SIGKILL');
      expect(done).toBeLessThan(population);
      await Promise.all([server.ended, ended]);
      expect(await again(asked)).toBe('again');
    }
    await using server = await startServer(work);
    const at = { url: server.url, key };
    const ended = await mass(at, 'watch', 'again');
    expect(ended).toMatchObject({
      state: 'done',
      counts: { submitted: population, issued: population, rejected: 0 },
    });
    const curl = curlAt(server.url, key, work.path);
    const found = await curl('GET', '/v1/certificates?deviceId=csrs.ndjson-1999');
    expect(found.json<{ items: unknown[] }>().items).toHaveLength(2);
    const env = { CERTMILL_SERVER: at.url, CERTMILL_API_KEY: at.key };
    const results = ['mass', 'results', 'again', '--outcome', 'issued'];
    const csv = await runCertmill([...results, '--csv'], { cwd: work.path, env });
    const [header, first = '', ...rows] = csv.stdout.trimEnd().split('\n');
    expect(header).toBe('serialNumber,deviceId,batchId,index,outcome,reason');
    expect(first).toMatch(/^[0-9a-f]{40},csrs\.ndjson-\d+,[0-9a-z]{26},0,issued,$/);
    expect(rows).toHaveLength(population - 1);
    const json = await runCertmill([...results, '--json'], { cwd: work.path, env });
    const told = JSON.parse(json.stdout) as { readonly results: readonly unknown[] };
    expect(told.results).toHaveLength(population);
    const order = (await curl('GET', '/v1/orders/again')).json();
    expect(order).toMatchObject({ reserved: population, state: 'closed' });

    /** The same call to a server that has started again is the same operation. */
    async function again(asked: readonly string[]): Promise<string> {
      await using restarted = await startServer(work);
      const same = await mass({ url: restarted.url, key }, ...asked);
      restarted.child.kill('SIGKILL');
      await restarted.ended;
      return same.operationId;
    }
  });
});
