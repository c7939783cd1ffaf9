import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  authorityIn,
  createRoot,
  distinguishedNameDer,
  issueAuthority,
  passphraseVariable,
  revokeAuthority,
} from '@certmill/trust';
import { planCompromise, type CompromiseRun } from '@certmill/trust/compromise';
import { HttpClient } from '../../client/http-client.js';
import { IssuanceClient } from '../../client/issuance-client.js';
import { Terminal } from '../../terminal/terminal.js';
import { problem } from '../../testing/scripted-server.js';
import { closeOldIssuer } from './close-old-issuer.js';

const passphrase = 'only for this test';
const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);

/** What an ingest says of the issuer `old` to the tenant of the API key, at its n-th time. */
type Ingest = (time: number) => 'open' | 'closed' | 'not served' | 'not known';

let folder: string;
/** What calls closed, and what an ingest lists. */
let closed: string[];
let orders: object[];
let server: Server | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-close-'));
  [closed, orders] = [[], []];
  const nowMs = Date.now();
  const ca = { directory: folder, passphrase, keyType: 'ec-p256' } as const;
  await createRoot({ ...ca, subjectDer: named('Root') }, nowMs);
  const place = { directory: folder, name: 'root', passphrase };
  const old = { ...ca, name: 'old', subjectDer: named('Old'), pathLenConstraint: 0 };
  await issueAuthority(old, place, nowMs);
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/**
 * A load balancer with ingests behind it, which take its connections in turn, as one of layer 4 does.
 * @returns how often each has been asked for the issuer.
 */
async function balanced(...ingests: readonly Ingest[]): Promise<readonly number[]> {
  const asked = ingests.map(() => 0);
  const homes = new Map<Socket, number>();
  server = createServer((request, response) => {
    const home = homes.get(request.socket) ?? homes.size % ingests.length;
    homes.set(request.socket, home);
    const json = (value: object): void => {
      response.end(JSON.stringify(value));
    };
    const ingest = ingests[home]!;
    if (request.url?.startsWith('/v1/orders/') && request.method !== 'GET') {
      closed.push(request.url);
      json(orders[0]!);
    } else if (request.url?.startsWith('/v1/orders')) json({ items: orders });
    else if (request.url === '/v1/issuers/old') {
      const says = ingest((asked[home] = (asked[home] ?? 0) + 1));
      if (says.startsWith('not')) problem(response, 404, 'NOT_FOUND', "there is no issuer 'old'");
      else json({ issuer: 'old', takesOrders: says === 'open', takesUploads: says === 'open' });
    } else if (request.url === '/ca/old.cer' && ingest(0) !== 'not known') response.end('DER');
    else problem(response, 404, 'NOT_FOUND', 'there is none');
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return asked;
}

async function close(timeoutSeconds = 20, isCaFirst = false): Promise<unknown> {
  const stream = () => new PassThrough();
  const surroundings = {
    ...{ stdin: stream(), stdout: stream(), stderr: stream() },
    env: { [passphraseVariable]: passphrase },
  };
  const { signal } = new AbortController();
  const url = new URL(`http://127.0.0.1:${String((server?.address() as AddressInfo).port)}`);
  using client = new IssuanceClient(
    new HttpClient({ url, apiKey: 'key' }, { patienceMs: 0, signal, onWait: () => undefined }),
  );
  const old = await authorityIn(folder, 'old');
  const wish = { name: 'leave-old', issuer: 'old', reason: 'cACompromise' } as const;
  const { serialNumberHex } = old;
  const plan = planCompromise(
    { ...wish, isReissued: false, isCaFirst, keepsCa: false },
    { serialNumberHex, hasParent: true, isSuccessorThere: false, nowMs: Date.now() },
  );
  const run: CompromiseRun = { plan, done: [] };
  const waiting = { parentCrl: [], next: '90d', approvals: [], leaveBehind: 0 };
  return await closeOldIssuer(
    {
      terminal: new Terminal(surroundings, signal),
      ...{ client, data: folder, old },
      circumstances: { ...waiting, timeoutSeconds },
    },
    run,
    () => Promise.resolve(),
  );
}

const waits = (message: RegExp) => ({
  code: 'STEP_WAITS',
  message: expect.stringMatching(message) as string,
});

test('an issuer is closed once all ingests behind an address say so, however often one of them does', async () => {
  const asked = await balanced(
    () => 'closed',
    () => 'closed',
    (time) => (time < 3 ? 'open' : 'closed'),
  );
  expect(await close()).toEqual({ orders: 0 });
  // After the one that heard last, each was asked several times again.
  expect(Math.min(...asked)).toBeGreaterThanOrEqual(7);
});

test('an issuer is not closed while one ingest of several takes uploads', async () => {
  await balanced(
    () => 'closed',
    () => 'open',
  );
  await expect(close(2)).rejects.toMatchObject(
    waits(/retired\.json of this folder to each ingest[^]* of \d+ answers .*after 2 s/),
  );
});

test('orders are closed though not all ingests have heard, where the CA is revoked next', async () => {
  const counts = { quota: 1, reserved: 0, devices: 0 };
  const terms = { profile: 'idevid', requiresAllowList: false, renews: false };
  const expiresAt = '2040-01-01T00:00:00Z';
  orders = [{ orderId: 'o-1', issuer: 'old', state: 'open', ...counts, ...terms, expiresAt }];
  await balanced(() => 'open');
  await expect(close(0)).rejects.toMatchObject(waits(/retired\.json/));
  expect(closed).toEqual([]);
  await expect(close(0, true)).rejects.toMatchObject(waits(/retired\.json/));
  expect(closed).toEqual([expect.stringContaining('o-1')]);
});

describe('an issuer that an ingest does not show', () => {
  it.each([
    ['not served', /has the CA 'old'.* does not serve the tenant of the API key/],
    ['not known', /has no CA 'old'.*ca\/old/],
  ] as const)('is not closed: it is %s', async (says, message) => {
    await balanced(() => says);
    await expect(close(0)).rejects.toMatchObject(waits(message));
  });

  it('takes nothing where the CA is revoked: nothing is signed under it', async () => {
    const { chainDer } = await authorityIn(folder, 'old');
    await revokeAuthority({
      ...{ directory: folder, parent: 'root', reason: 'cACompromise', nowMs: Date.now() },
      certificateDer: chainDer[0]!,
    });
    await balanced(() => 'not served');
    expect(await close()).toEqual({ orders: 0 });
  });
});
