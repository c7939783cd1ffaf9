import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  runCertmill,
  startCertmill,
  startOnTerminal,
  type Ended,
} from '../testing/run-certmill.js';
import {
  answer,
  apiKey,
  batchId,
  reset,
  ScriptedServer,
  type Fault,
} from '../testing/scripted-server.js';

/** DER whose outside looks like a request (RFC 2986 4.1): the scripted server looks no deeper. */
function requestLine(index: number): string {
  const csr = readFileSync(join(import.meta.dirname, '../../test-data/request.der'));
  return `${JSON.stringify({ deviceId: `device-${index}`, csr: csr.toString('base64') })}\n`;
}

let folder: string;
let server: ScriptedServer;
let env: Record<string, string>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-cli-'));
  server = new ScriptedServer();
  env = { CERTMILL_SERVER: await server.start(), CERTMILL_API_KEY: apiKey };
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function inputOf(count: number): string {
  const file = join(folder, 'requests.ndjson');
  writeFileSync(file, Array.from({ length: count }, (_, i) => requestLine(i)).join(''));
  return file;
}

function run(...args: string[]): Promise<Ended> {
  return runCertmill(args, env);
}

const fetched = (): string[] => readdirSync(join(folder, 'out')).sort();

describe('a command that works in a data folder without --server', () => {
  it('is not sent to the server of CERTMILL_SERVER, and does not say so', async () => {
    const serial = ['--serial', '01'.repeat(20)];
    await run('audit', 'list', '--data', folder);
    await run('revoke', ...serial, '--data', folder);
    expect(server.calls).toEqual([]);
    for (const words of [['revoke'], ['audit', 'list'], ['audit', 'verify']]) {
      const { stdout } = await run(...words, '--help');
      expect(stdout).toMatch(/--server <url> +work at this server, not in the data folder/);
      expect(stdout).not.toContain('CERTMILL_SERVER');
    }
  });
});

describe('a call', () => {
  it('follows cursors and prints one JSON object', async () => {
    const { exitCode, stdout, stderr } = await run('order', 'list', '--json');
    const { orders } = JSON.parse(stdout) as { orders: { orderId: string }[] };
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(orders.map(({ orderId }) => orderId)).toEqual(['first', 'second']);
  });

  it('is repeated after a reset, a 503 and a 429, not before Retry-After', async () => {
    server.faults.push(
      reset,
      answer(503, 'FAULT_STOPPING'),
      answer(429, 'X', { 'retry-after': '1' }),
    );
    const begun = performance.now();
    const { exitCode, stderr } = await run('order', 'list');
    expect(exitCode).toBe(0);
    expect(performance.now() - begun).toBeGreaterThan(1_000);
    expect(stderr.match(/trying again/g)).toHaveLength(3);
  });

  it('ends with the code of the server when the patience is used up', async () => {
    server.faults.push(...Array.from({ length: 20 }, () => answer(503, 'FAULT_OVERLOADED')));
    const { exitCode, stderr } = await run('order', 'list', '--patience', '0.5');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error FAULT_OVERLOADED: made to answer 503$/m);
  });

  it('that creates is not repeated where it may have been done', async () => {
    server.faults.push(reset);
    const args = ['order', 'create', 'x', '--profile', 'idevid', '--quota', '5'];
    const { exitCode, stderr } = await run(...args);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error SERVER_UNREACHABLE: .*ECONNRESET/);
    expect(server.calls).toEqual(['POST /v1/orders']);
  });

  it('shows code and detail of a problem, also a code that this version does not know', async () => {
    server.faults.push(answer(403, 'ORDER_FROZEN'));
    const { exitCode, stdout, stderr } = await run('order', 'list', '--json');
    expect(exitCode).toBe(1);
    expect(stderr).toBe('error ORDER_FROZEN: made to answer 403\n');
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ORDER_FROZEN', message: 'made to answer 403' },
    });
  });

  it('without a key says where a key comes from, and a key never shows', async () => {
    delete env['CERTMILL_API_KEY'];
    expect((await run('order', 'list')).stderr).toMatch(/^error UNAUTHENTICATED: .*--key-file/);
    env['CERTMILL_API_KEY'] = 'cm_secret-that-is-wrong';
    env['CERTMILL_DEBUG'] = '1';
    const { stdout, stderr } = await run('order', 'list');
    expect(stderr).toMatch(/^error UNAUTHENTICATED/);
    expect(stdout + stderr).not.toContain('secret');
  });

  it('sends no key in the clear to another machine', async () => {
    const { exitCode, stderr } = await run('order', 'list', '--server', 'http://192.0.2.1');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error CONFIG_INVALID: refusing to send an API key/);
  });
});

describe('submit', () => {
  it('uploads canonical lines and names the next commands', async () => {
    const { exitCode, stdout } = await run('submit', inputOf(6), '--order', 'run');
    expect(exitCode).toBe(0);
    expect(server.durable.map(({ deviceId }) => deviceId)).toEqual(
      Array.from({ length: 6 }, (_, i) => `device-${i}`),
    );
    expect(stdout).toContain(`certmill watch ${batchId}`);
  });

  it('goes on after what is durable when the connection is cut in the middle', async () => {
    // Cut two times while the body is under way; each time something has become durable.
    const cuts = [150_000, 150_000];
    server.faults.push((request) => {
      if (request.method !== 'POST') return false;
      let left = cuts[0] ?? Infinity;
      if (cuts.length === 0) return false;
      request.on('data', (part: Buffer | string) => {
        left -= part.length;
        if (left < 0) request.socket.resetAndDestroy();
      });
      cuts.shift();
      return false;
    });
    const count = 3_000;
    const { exitCode, stderr } = await run('submit', inputOf(count), '--order', 'run');
    expect([exitCode, stderr.includes('trying again')]).toEqual([0, true]);
    expect(server.uploadsFrom).toHaveLength(3);
    expect(server.uploadsFrom[1]).toBeGreaterThan(0);
    expect(server.uploadsFrom[2]).toBeGreaterThan(server.uploadsFrom[1] ?? 0);
    expect(server.durable.map(({ deviceId }) => deviceId)).toEqual(
      Array.from({ length: count }, (_, i) => `device-${i}`),
    );
  });

  it('sends nothing twice when it is run again, and begins anew when a file changed', async () => {
    const input = inputOf(2);
    const keyOf = ({ stdout }: Ended): string =>
      (JSON.parse(stdout) as { idempotencyKey: string }).idempotencyKey;
    const first = keyOf(await run('submit', input, '--order', 'run', '--json'));
    expect(keyOf(await run('submit', input, '--order', 'run', '--json'))).toBe(first);
    expect(server.uploadsFrom).toHaveLength(1);
    utimesSync(input, 1, 1);
    expect(keyOf(await run('submit', input, '--order', 'run', '--json'))).not.toBe(first);
  });

  it('keeps the index of what is no request and sends nothing of it', async () => {
    const secret = 'c2VjcmV0IGtleSBieXRlcw';
    const pem = `-----BEGIN PRIVATE KEY-----\\n${secret}\\n-----END PRIVATE KEY-----`;
    const input = join(folder, 'mixed.ndjson');
    writeFileSync(input, `${requestLine(0)}{"deviceId":"k","csr":"${pem}"}\n${requestLine(2)}`);
    const { exitCode, stderr } = await run('submit', input, '--order', 'run');
    expect(exitCode).toBe(0);
    expect(server.durable.map(({ deviceId }) => deviceId)).toEqual(['device-0', 'k', 'device-2']);
    expect(JSON.stringify(server.durable)).not.toContain(secret);
    expect(stderr).toMatch(/mixed\.ndjson.*2: PRIVATE_KEY_SUBMITTED/);
  });

  it('waits with --watch and ends with 2 when some were rejected', async () => {
    const running = startCertmill(['submit', inputOf(6), '--order', 'run', '--watch'], env);
    await running.shows(`batch ${batchId}`);
    server.complete(2);
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(/rejected +2\n/);
  });

  it('says that a broken upload of stdin cannot go on', async () => {
    server.faults.push((request, ...rest) => request.method === 'POST' && reset(request, ...rest));
    const { exitCode, stderr } = await runCertmill(
      ['submit', '-', '--order', 'run'],
      env,
      requestLine(0),
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error INVALID_INPUT: .*stdin cannot be read again/m);
  });
});

describe('calendar', () => {
  const row = { month: '2027-03', profile: 'p', issuer: 'plant', certificates: 3, daysLeft: 9 };
  const calendar = { authorities: [], devices: [] };
  const told = (isWhole: boolean, certificates: readonly object[]): Fault => {
    return (_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...calendar, toRenew: { isWhole, certificates } }));
      return true;
    };
  };

  it('fails where a device is to renew in that time, and cannot say that none is where not all was looked at', async () => {
    const codeOf = async (...answers: Parameters<typeof told>) => {
      server.faults.push(told(...answers));
      const { exitCode, stderr, stdout } = await run('calendar', '--fail-within', '10');
      return [exitCode, stderr.trim(), stdout.includes('there is more to renew')] as const;
    };
    expect(await codeOf(true, [row])).toEqual([2, '', false]);
    expect(await codeOf(true, [{ ...row, daysLeft: 10 }])).toEqual([0, '', false]);
    expect(await codeOf(false, [row])).toEqual([2, '', true]);
    const refused = expect.stringMatching(
      /^error FAULT_OVERLOADED: .*ask for fewer days/,
    ) as string;
    expect(await codeOf(false, [])).toEqual([1, refused, true]);
    server.faults.push(told(true, []));
    await run('calendar', '--days', '30');
    server.faults.push(told(true, []));
    await run('calendar');
    expect(server.calls.slice(-3)).toEqual([
      'GET /v1/calendar?toRenewDays=10',
      'GET /v1/calendar?days=30&toRenewDays=30',
      'GET /v1/calendar',
    ]);
  });

  const begin = '2027-03-01T00:00:00.000Z';
  // Two weeks (RFC 5280 4.1.2.5), as of `ca delegate`.
  const responder = {
    ...{ kind: 'ocsp-responder', issuer: 'plant', subject: 'CN=va', renewsItself: false },
    ...{ notBefore: begin, notAfter: '2027-03-14T23:59:59.000Z', toReplace: true },
  };
  it.each([
    ['is to be replaced in that time', 7, { daysLeft: 6 }, 2],
    ['ends later', 7, { daysLeft: 7 }, 0],
    ['need not be replaced', 7, { daysLeft: 6, toReplace: false }, 0],
    ['lives for less than twice as long', 8, { daysLeft: 6 }, 0],
    ['has ended, however long it has lived', 8, { daysLeft: -1 }, 2],
    ['has ended and need not be replaced', 8, { daysLeft: -1, toReplace: false }, 0],
    ['is of a server that does not say', 7, { daysLeft: 6, toReplace: undefined }, 0],
  ])('of a delegate that %s: within %d days', async (_, days, delegate, code) => {
    server.faults.push((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...calendar, delegates: [{ ...responder, ...delegate }] }));
      return true;
    });
    const { exitCode, stdout } = await run('calendar', '--fail-within', String(days));
    expect([exitCode, stdout]).toEqual([code, expect.stringContaining('by people')]);
  });
});

describe('watch', () => {
  it('polls where events are not offered', async () => {
    server.hasEvents = false;
    const running = startCertmill(['watch', batchId, '--json'], env);
    setTimeout(() => server.complete(), 700);
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ batchId, state: 'complete' });
  });

  it('draws a bar on a terminal and puts the cursor back after Ctrl-C', async () => {
    server.total = 6;
    const running = startOnTerminal(['watch', batchId], env);
    await running.shows('0 % done 0 of 6');
    running.child.stdin?.write('\u0003');
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(130);
    expect(stdout).toContain('[----');
    expect(stdout).toMatch(/error INTERRUPTED:/);
    expect(stdout.lastIndexOf('\u001B[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001B[?25l'));
  });

  it('ends with 130 after SIGINT and says so in one line', async () => {
    const running = startCertmill(['watch', batchId, '--json'], env);
    while (!server.calls.some((call) => call.endsWith('/events'))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    running.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await running.ended;
    expect([exitCode, stderr]).toEqual([
      130,
      expect.stringMatching(/error INTERRUPTED: stopped\n$/),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INTERRUPTED' } });
  });
});

describe('fetch', () => {
  beforeEach(() => server.complete());

  it.each(['pem', 'ndjson'])('writes %s with the manifest that lists it', async (format) => {
    const out = `${join(folder, 'out')}/`;
    const { exitCode } = await run('fetch', batchId, '--out', out, '--format', format);
    expect(exitCode).toBe(0);
    expect(fetched()).toEqual([`certificates.${format}`, 'manifest.ndjson']);
    const text = readFileSync(join(out, `certificates.${format}`), 'utf8');
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(6);
  });

  it('writes one DER file per certificate, and the rejections', async () => {
    server.complete(1);
    await run('fetch', batchId, '--out', join(folder, 'out'), '--format', 'der');
    expect(fetched().filter((name) => name.endsWith('.der'))).toHaveLength(6);
    expect(fetched()).toContain('rejections.ndjson');
  });

  it('goes on after the last whole line of a truncated download', async () => {
    const lines = server.certificateLines();
    server.faults.push((request, response) => {
      if (request.url?.includes('/certificates') !== true) return false;
      const text = lines.join('');
      response.writeHead(200, { 'content-length': text.length });
      response.write(lines.slice(0, 3).join('') + (lines[3] ?? '').slice(0, 50), () =>
        setTimeout(() => response.destroy(), 50),
      );
      return true;
    });
    const file = join(folder, 'all.pem');
    const { exitCode } = await run('fetch', batchId, '--out', file);
    expect(exitCode).toBe(0);
    expect(server.calls.filter((call) => call.includes('/certificates?'))).toEqual([
      expect.stringContaining('firstChunk=0'),
      expect.stringContaining('firstChunk=1'),
    ]);
    expect(readFileSync(file, 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(6);
    expect(readdirSync(folder)).toEqual(['all.pem']);
  });

  it('keeps nothing that the manifest does not list', async () => {
    server.tampers = true;
    const { exitCode, stderr } = await run('fetch', batchId, '--out', join(folder, 'out', '/'));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/error INVALID_INPUT: the manifest does not fit: .*index 3/);
    expect(fetched()).toEqual([]);
  });

  it('takes a manifest of the given key only', async () => {
    const other = new ScriptedServer();
    writeFileSync(join(folder, 'own.pem'), server.publicKeyPem);
    writeFileSync(join(folder, 'other.pem'), other.publicKeyPem);
    const args = ['fetch', batchId, '--out', join(folder, 'all.pem'), '--manifest-key'];
    expect((await run(...args, join(folder, 'other.pem'))).stderr).toMatch(/of another key/);
    expect((await run(...args, join(folder, 'own.pem'))).exitCode).toBe(0);
  });
});
