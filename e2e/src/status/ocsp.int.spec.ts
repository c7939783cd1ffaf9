import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  distinguishedNameDer,
  issueAuthority,
  issuerPathsOf,
  revokeAuthority,
} from '@certmill/trust';
import { quorumPolicyFileOf, serializeQuorumPolicy } from '@certmill/trust/approvals';
import {
  aDataFolder,
  aServer,
  aServerIn,
  passphrase,
  type TestServer,
} from '../http/test-server.js';
import { rawCall } from '../http/raw-call.js';
import { issueFiles, revoke, run, type IssuedFiles } from './certificate-holder.js';

let server: TestServer;
let files: IssuedFiles;
let url: string;

beforeAll(async () => {
  server = await aServer({}, {}, { config: { status: { port: 0, cachedMs: 60_000 } } });
  files = await issueFiles(server, 6);
  url = `${server.server.status?.url ?? ''}/ocsp`;
});

afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** `openssl ocsp` about certificates of the batch; it checks the answer's signature and responder. */
function openssl(
  indexes: readonly number[],
  options: readonly string[] = [],
  at = url,
): ReturnType<typeof run> {
  const asked = indexes.flatMap((index) => ['-cert', files.certificates[index] ?? '']);
  const trust = ['-CAfile', files.chain, '-issuer', files.issuer];
  return run('openssl', 'ocsp', ...trust, '-url', at, '-text', ...options, ...asked);
}

/** The DER of a request that OpenSSL made, in a file. */
async function requestFile(index: number, ...options: readonly string[]): Promise<string> {
  const file = join(files.directory, `request-${String(index)}-${options.join('')}.der`);
  await run(
    'openssl',
    'ocsp',
    '-issuer',
    files.issuer,
    ...options,
    '-cert',
    files.certificates[index] ?? '',
    '-reqout',
    file,
  );
  return file;
}

async function post(body: Uint8Array<ArrayBuffer>): Promise<Response> {
  const headers = { 'content-type': 'application/ocsp-request' };
  return fetch(url, { method: 'POST', headers, body });
}

describe('openssl ocsp', () => {
  test('good, with SHA-1 and with SHA-256, and its nonce echoed', async () => {
    for (const options of [[], ['-sha256'], ['-no_nonce']]) {
      const { text } = await openssl([0], options);
      expect(text).toContain('Response verify OK');
      expect(text).toMatch(/device-0\.pem: good/);
      expect(text).not.toContain('WARNING');
      expect(text).not.toContain('Nonce Verify error');
    }
  });

  test('revoked with its reason and time, held, and good beside them in one request', async () => {
    expect(await revoke(server, files, 1, 'keyCompromise', Date.UTC(2026, 0, 2))).toBe('changed');
    expect(await revoke(server, files, 2, 'certificateHold')).toBe('changed');
    const { text } = await openssl([0, 1, 2]);
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(/device-0\.pem: good/);
    expect(text).toMatch(/device-1\.pem: revoked/);
    expect(text).toMatch(/Reason: keyCompromise/);
    expect(text).toMatch(/Revocation Time: Jan {2}2 00:00:00 2026 GMT/);
    expect(text).toMatch(/device-2\.pem: revoked\n.*\n.*\n\tReason: certificateHold/);
  });

  test('a revocation is told at once, whatever threads kept', async () => {
    const before = await openssl([3], ['-no_nonce']);
    expect(before.text).toMatch(/device-3\.pem: good/);
    for (const reason of ['superseded', 'keyCompromise'] as const) {
      expect(await revoke(server, files, 3, reason)).toBe('changed');
      const { text } = await openssl([3], ['-no_nonce']);
      expect(text).toMatch(new RegExp(`device-3\\.pem: revoked\n.*\n.*\n\tReason: ${reason}`));
    }
  });

  test('unknown for numbers that are not ours', async () => {
    const ask = (serial: string) => {
      const trust = ['-CAfile', files.chain, '-issuer', files.issuer, '-serial', serial];
      return run('openssl', 'ocsp', ...trust, '-url', url);
    };
    for (const serial of ['0x1234', `0x01${'ab'.repeat(19)}`]) {
      expect((await ask(serial)).text).toContain(`${serial}: unknown`);
    }
  });

  test('unauthorized for what another CA issued', async () => {
    const key = join(files.directory, 'other.key');
    const other = join(files.directory, 'other.pem');
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    await run('openssl', ...make, '-keyout', key, '-out', other, '-subj', '/CN=other');
    const { text } = await run('openssl', 'ocsp', '-issuer', other, '-serial', '5', '-url', url);
    expect(text).toContain('unauthorized (6)');
  });

  test('the API answers too', async () => {
    const { text } = await openssl([0, 1], [], `${server.url}/ocsp`);
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(/device-0\.pem: good/);
    expect(text).toMatch(/device-1\.pem: revoked/);
  });
});

describe('a request about one certificate 32 times', () => {
  const head = (body: Uint8Array): string =>
    [
      'POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\n',
      `Content-Length: ${String(body.length)}\r\n\r\n`,
    ].join('');

  test('is answered as one about it', async () => {
    const [once, often] = await Promise.all([
      openssl([4], ['-no_nonce', '-respout', join(files.directory, 'once.der')]),
      openssl(
        Array.from({ length: 32 }, () => 4),
        ['-respout', join(files.directory, 'often.der')],
      ),
    ]);
    for (const { text } of [once, often]) {
      expect(text).toContain('Response verify OK');
      expect(text).toMatch(/device-4\.pem: good/);
      expect(text.match(/Cert Status:/g)).toHaveLength(1);
    }
  });

  test('is taken by the API a few times on a connection, and no more in advance', async () => {
    const body = await readFile(await requestFile(5));
    const call = Buffer.concat([Buffer.from(head(body)), body]);
    const many = rawCall(server.url, Buffer.concat(Array.from({ length: 9 }, () => call)));
    expect((await many.answer).match(/HTTP\/1\.1 200/g)?.length ?? 0).toBeLessThan(9);
    const few = rawCall(server.url, Buffer.concat(Array.from({ length: 8 }, () => call)));
    let answers = 0;
    few.socket.on('data', (data: Buffer) => {
      answers += data.toString('latin1').match(/HTTP\/1\.1 200/g)?.length ?? 0;
      if (answers === 8) few.socket.destroy();
    });
    await few.answer;
    expect(answers).toBe(8);
  });
});

describe('CA certificates', () => {
  const wish = (name: string) => ({
    name,
    directory: server.data,
    passphrase,
    keyType: 'ec-p256' as const,
    pathLenConstraint: 0,
    subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
  });
  const ask = async (issuer: string, ...about: readonly string[]): Promise<string> => {
    const file = issuerPathsOf(server.data, issuer).certificateFile;
    const trust = ['-CAfile', issuerPathsOf(server.data, 'root').certificateFile];
    return (await run('openssl', 'ocsp', ...trust, '-issuer', file, '-url', url, ...about)).text;
  };
  /** What is kept of a CA is up to a second old. */
  const within = async (wanted: RegExp, asked: () => Promise<string>): Promise<string> => {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const text = await asked();
      if (wanted.test(text) || Date.now() > deadline) return text;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  test('good, under a responder of the root, and its own certificate too', async () => {
    const { certificateFile: root } = issuerPathsOf(server.data, 'root');
    const text = await ask('root', '-cert', files.issuer, '-cert', root);
    expect(text).toContain('Response verify OK');
    expect(text.match(/: good$/gm)).toHaveLength(2);
    const sha256 = await ask('root', '-sha256', '-cert', files.issuer);
    expect(sha256).toMatch(/certificate\.pem: good$/m);
    expect(await ask('root', '-serial', '0x0102030405')).toContain('0x0102030405: unknown');
  });

  test('of an issuer that is made while the server runs, and what it is asked itself', async () => {
    const root = { directory: server.data, name: 'root', passphrase };
    const late = await issueAuthority(wish('late'), root, Date.now());
    const text = await within(/: unknown/, () => ask('late', '-serial', '0x05'));
    expect(text).toContain('0x05: unknown');
    expect(await ask('root', '-cert', late.certificateFile)).toMatch(/: good$/m);
    await revokeAuthority({
      directory: server.data,
      parent: 'root',
      certificateDer: late.chainDer[0] ?? new Uint8Array(),
      reason: 'cessationOfOperation',
      nowMs: Date.now(),
    });
    const revoked = await within(/: revoked/, () => ask('root', '-cert', late.certificateFile));
    expect(revoked).toContain('Response verify OK');
    expect(revoked).toMatch(/: revoked\n[^]*Reason: cessationOfOperation/);
  });

  test('a server that has the key of the root signs nothing with it but responders', async () => {
    const { signer } = server.server.issuance;
    const thisUpdateMs = Date.now();
    const crl = {
      scope: { issuer: 'root', shard: 0 },
      crlNumber: 1n,
      thisUpdateMs,
      nextUpdateMs: thisUpdateMs + 60_000,
      hasDeltas: false,
      entries: new Uint8Array(),
    };
    await expect(signer.signCrl(crl)).rejects.toThrow('CA root issues nothing to devices');
  });
});

describe("the responder's certificate", () => {
  test('is one by the rules of RFC 6960 4.2.2.2 and 5280', async () => {
    const file = join(server.data, 'ocsp-responders', 'dev.pem');
    const { text: verified } = await run(
      'openssl',
      'verify',
      '-x509_strict',
      '-purpose',
      'ocsphelper',
      '-CAfile',
      files.chain,
      file,
    );
    expect(verified).toContain(': OK');
    const { text } = await run('openssl', 'x509', '-in', file, '-noout', '-text');
    expect(text).toContain('OCSP Signing');
    expect(text).toContain('OCSP No Check');
    expect(text).toMatch(/X509v3 Key Usage: critical\n +Digital Signature\n/);
    expect(text).not.toContain('CA:TRUE');
    const certificate = new X509Certificate(await readFile(file));
    const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
  });

  test('has a key of its own that is stored encrypted', async () => {
    const text = await readFile(join(server.data, 'ocsp-responders', 'dev.pem'), 'utf8');
    expect(text).toContain('-----BEGIN ENCRYPTED PRIVATE KEY-----');
    expect(text).not.toContain('-----BEGIN PRIVATE KEY-----');
    const { publicKey } = new X509Certificate(text.slice(text.indexOf('-----BEGIN CERT')));
    const issuer = new X509Certificate(await readFile(files.issuer));
    expect(publicKey.equals(issuer.publicKey)).toBe(false);
  });
});

describe('HTTP', () => {
  test('GET by curl, with the headers of RFC 9919', async () => {
    const der = await readFile(await requestFile(0, '-no_nonce', '-sha256'));
    const path = encodeURIComponent(der.toString('base64'));
    const body = join(files.directory, 'answer.der');
    const { text, code } = await run('curl', '-sS', '-D', '-', '-o', body, `${url}/${path}`);
    expect(code).toBe(0);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(text).toMatch(/content-type: application\/ocsp-response/i);
    expect(text).toMatch(/cache-control: max-age=3[56]\d\d,public,no-transform,must-revalidate/i);
    expect(text).toMatch(/last-modified: .* GMT/i);
    expect(text).toMatch(/expires: .* GMT/i);
    const etag = /etag: (".*")/i.exec(text)?.[1] ?? '';
    const { text: read } = await run(
      'openssl',
      'ocsp',
      '-respin',
      body,
      '-issuer',
      files.issuer,
      '-CAfile',
      files.chain,
      '-sha256',
      '-cert',
      files.certificates[0] ?? '',
      '-no_nonce',
    );
    expect(read).toContain('Response verify OK');
    expect(read).toMatch(/device-0\.pem: good/);
    const again = await fetch(`${url}/${path}`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect((await fetch(`${url}/${path}`, { method: 'HEAD' })).headers.get('etag')).toBe(etag);
    // Not escaped, as some clients send it.
    const unescaped = await fetch(`${url}/${der.toString('base64')}`);
    expect(unescaped.headers.get('cache-control')).toContain('max-age');
  });

  test('an answer expires at its nextUpdate, what a client has is not sent again', async () => {
    const der = await readFile(await requestFile(0, '-no_nonce', '-sha256'));
    const path = encodeURIComponent(der.toString('base64'));
    const response = await fetch(`${url}/${path}`);
    const answer = join(files.directory, 'expiring.der');
    await writeFile(answer, Buffer.from(await response.arrayBuffer()));
    const read = ['ocsp', '-respin', answer, '-noverify', '-resp_text'];
    const [, nextUpdate = ''] =
      /Next Update: (.*)/.exec((await run('openssl', ...read)).text) ?? [];
    expect(Date.parse(response.headers.get('expires') ?? '')).toBe(Date.parse(nextUpdate));
    const tags = `"other", W/${response.headers.get('etag') ?? ''}`;
    const again = await fetch(`${url}/${path}`, { headers: { 'if-none-match': tags } });
    expect(again.status).toBe(304);
  });

  // RFC 9919 7.2: no-store MUST NOT stand beside an authoritative response.
  test('what has a nonce may be kept for a moment only, and is', async () => {
    const der = await readFile(await requestFile(0));
    const response = await post(new Uint8Array(der));
    expect(response.headers.get('cache-control')).toMatch(/^max-age=1,/);
  });

  test.each([
    ['nothing', ''],
    ['no base64', '!!!!'],
    ['a bad escape', '%E0%A4'],
    ['no DER', Buffer.from('hello world').toString('base64')],
  ])('a GET with %s is malformed, by OCSP and with 200', async (_name, path) => {
    const response = await fetch(`${url}/${path}`);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).toString('hex')).toBe('30030a0101');
  });

  test('a POST of something else is refused, and one that is too large', async () => {
    const malformed = await post(new Uint8Array([1, 2, 3]));
    expect(Buffer.from(await malformed.arrayBuffer()).toString('hex')).toBe('30030a0101');
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(415);
    expect((await post(new Uint8Array(20_000))).status).toBe(413);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(405);
    expect((await fetch(url.replace(/ocsp$/, 'else'))).status).toBe(404);
  });
});

test('a responder outlives a restart, and is renewed before its end when the clock moves', async () => {
  await using folder = await aDataFolder();
  let nowMs = Date.now();
  const clock = { nowMs: () => nowMs };
  // Another one than that of the other tests, with keys of its own.
  const installation = { rootKey: 'ec-p384' } as const;
  const certificateIn = async (): Promise<string> => {
    const file = join(folder.path, 'ocsp-responders', 'dev.pem');
    return new X509Certificate(await readFile(file)).fingerprint256;
  };
  const der = new Uint8Array(await readFile(await requestFile(0, '-no_nonce')));
  const ask = async (running: TestServer): Promise<string> => {
    // Another installation's: its own issuer has another key.
    const response = await running.call('POST', '/ocsp', {
      headers: { 'content-type': 'application/ocsp-request' },
      body: der,
      key: null,
    });
    return Buffer.from(await response.arrayBuffer()).toString('hex');
  };
  const own = async (running: TestServer): Promise<void> => {
    const request = join(folder.path, 'request.der');
    const { certificateFile } = running.server.issuance.issuers[0] ?? { certificateFile: '' };
    const make = ['-issuer', certificateFile, '-serial', '5', '-no_nonce', '-reqout', request];
    await run('openssl', 'ocsp', ...make);
    const response = await running.call('POST', '/ocsp', {
      headers: { 'content-type': 'application/ocsp-request' },
      body: new Uint8Array(await readFile(request)),
      key: null,
    });
    const answer = Buffer.from(await response.arrayBuffer());
    await writeFile(join(folder.path, 'answer.der'), answer);
    expect(answer.toString('hex', 0, 12)).toContain('0a0100');
  };
  let first: string;
  {
    await using running = await aServerIn(folder.path, installation, {}, { clock });
    expect(await ask(running)).toBe('30030a0106');
    expect(await readdir(folder.path)).not.toContain('ocsp-responders');
    await own(running);
    first = await certificateIn();
  }
  await using running = await aServerIn(folder.path, installation, {}, { clock });
  await own(running);
  expect(await certificateIn()).toBe(first);
  nowMs += 40 * 86_400_000;
  await own(running);
  expect(await certificateIn()).not.toBe(first);
});

test('with a quorum nobody who asks makes a server use the key of the root, and each responder is in the trail', async () => {
  await using folder = await aDataFolder();
  let nowMs = Date.now();
  await using running = await aServerIn(folder.path, {}, {}, { clock: { nowMs: () => nowMs } });
  const request = join(folder.path, 'request.der');
  const ask = async (issuer: string): Promise<string> => {
    const { certificateFile } = issuerPathsOf(folder.path, issuer);
    const make = ['-issuer', certificateFile, '-serial', '5', '-no_nonce', '-reqout', request];
    await run('openssl', 'ocsp', ...make);
    const response = await running.call('POST', '/ocsp', {
      headers: { 'content-type': 'application/ocsp-request' },
      body: new Uint8Array(await readFile(request)),
      key: null,
    });
    const answer = Buffer.from(await response.arrayBuffer()).toString('hex');
    return answer === '30030a0106' ? 'unauthorized' : answer.slice(0, 24).replace(/.*(?=0a01)/, '');
  };
  const answered = expect.stringMatching(/^0a0100/) as string;
  const inTrail = async (): Promise<readonly object[]> => {
    const entries = await running.server.issuance.store.listAudit({ limit: 1_000 });
    return entries.filter(({ action }) => action === 'responder.certified');
  };
  const detailOf = async (issuer: string) => {
    const pem = await readFile(join(folder.path, 'ocsp-responders', `${issuer}.pem`), 'utf8');
    const certificate = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERT')));
    const until = certificate.validToDate.toISOString();
    return { detail: { issuer, serialNumber: certificate.serialNumber.toLowerCase(), until } };
  };

  expect([await ask('root'), await ask('dev')]).toEqual([answered, answered]);
  const before = [await detailOf('root'), await detailOf('dev')];
  expect(await inTrail()).toMatchObject(before);

  const publicKey = generateKeyPairSync('ed25519').publicKey.export({
    type: 'spki',
    format: 'pem',
  });
  const quorum = serializeQuorumPolicy({
    threshold: 1,
    approvers: [{ name: 'alice', publicKey: publicKey.toString() }],
  });
  await writeFile(quorumPolicyFileOf(folder.path), quorum);
  // What was certified before lasts to its end and has no successor.
  nowMs += 25 * 86_400_000;
  expect(await ask('root')).toEqual(answered);
  nowMs += 15 * 86_400_000;
  expect([await ask('root'), await ask('dev')]).toEqual(['unauthorized', answered]);
  expect(await detailOf('root')).toEqual(before[0]);
  expect(await inTrail()).toMatchObject([...before, await detailOf('dev')]);
  // A policy that is gone is not taken for none.
  await rm(quorumPolicyFileOf(folder.path));
  expect(await ask('root')).toBe('unauthorized');
});
