import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate as PeculiarCertificate,
} from '@peculiar/x509';
import { csrsOf, csvOf, ndjsonOf } from '../testing/a-csr.js';
import { openssl, opensslCsr, opensslVerify } from './testing/openssl.js';
import { runCertmill, startCertmill, type Ended } from './testing/run-certmill.js';
import { aWorkFolder, filesBelow, type WorkFolder } from './testing/work-folder.js';

interface Summary {
  readonly batchId: string;
  readonly accepted: number;
  readonly issued: number;
  readonly rejected: number;
}

interface Rejected {
  readonly index: number;
  readonly source: string;
  readonly deviceId: string;
  readonly code: string;
  readonly detail: string;
}

/** The one object that `--json` prints: anything else beside it does not parse. */
const summaryOf = ({ stdout }: Ended): Summary => JSON.parse(stdout) as Summary;

const linesOf = <T>(text: string): T[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const rejectionsOf = (out: string): Rejected[] =>
  linesOf<Rejected>(readFileSync(join(out, 'rejections.ndjson'), 'utf8'));

const certificatesIn = (out: string): string[] =>
  readdirSync(out).filter((name) => name !== 'chain.pem' && /\.(?:pem|der)$/.test(name));

let work: WorkFolder;
beforeEach(async () => {
  work = await aWorkFolder();
});
afterEach(() => work[Symbol.asyncDispose]());

/** `certmill issue` in the work folder, with its data folder there. */
const issue = (inputs: readonly string[], out: string, ...options: string[]): Promise<Ended> => {
  const profile = options.includes('--profile') ? [] : ['--profile', 'tls-client'];
  const args = ['issue', ...inputs, '--data', 'data', '--out', out, '--json', ...profile];
  return runCertmill([...args, ...options], { cwd: work.path });
};

const verifiedStore = async (): Promise<unknown> => {
  const ended = await runCertmill(['verify-store', '--data', 'data', '--json'], { cwd: work.path });
  return JSON.parse(ended.stdout) as unknown;
};

describe('requests of every shape in one folder', () => {
  /** One request per device, each in another shape; keys lie beside them, as they do in life. */
  async function makeFolder(folder: string): Promise<string[]> {
    await mkdir(folder);
    const at = (name: string): string => join(folder, name);
    opensslCsr('p256', '/CN=ec', at('ec.pem'));
    opensslCsr('rsa2048', '/CN=rsa', at('rsa.csr'));
    opensslCsr('ed25519', '/CN=edwards', at('edwards.pem'));
    opensslCsr('p384', '/CN=der', at('der.der'), '-outform', 'DER');
    opensslCsr('p256', '/CN=text', at('text.pem'), '-text');
    opensslCsr('p256', '/CN=header', at('header.req'), '-newhdr');
    opensslCsr('p256', '/CN=crlf', at('crlf.pem'));
    await writeFile(at('crlf.pem'), readFileSync(at('crlf.pem'), 'utf8').replaceAll('\n', '\r\n'));
    await writeFile(at('fleet.ndjson.gz'), gzipSync(ndjsonOf(csrsOf(3, 'ndjson'))));
    await writeFile(at('fleet.csv'), csvOf(csrsOf(3, 'csv')));
    opensslCsr('p256', '/CN=in-tar', at('in-tar.pem'));
    execFileSync('tar', ['cf', at('more.tar'), '-C', folder, 'in-tar.pem']);
    await rm(at('in-tar.pem'));
    const one = ['ec', 'rsa', 'edwards', 'der', 'text', 'header', 'crlf', 'in-tar'];
    return [
      ...one,
      ...[0, 1, 2].flatMap((i) => [`ndjson-${String(i)}`, `csv-${String(i)}`]),
    ].sort();
  }

  it('are issued once, in all formats, whatever often the command runs', async () => {
    const devices = await makeFolder(work.at('csrs'));
    const pem = await issue(['csrs'], 'pem');
    expect([pem.exitCode, pem.stderr.includes('error')]).toEqual([0, false]);
    const first = summaryOf(pem);
    const counts = { accepted: devices.length, issued: devices.length, rejected: 0 };
    expect(first).toMatchObject(counts);
    const files = devices.map((device) => work.at('pem', `${device}.pem`));
    expect(certificatesIn(work.at('pem')).sort()).toEqual(devices.map((d) => `${d}.pem`));
    expect(opensslVerify(work.at('data'), files).match(/: OK$/gm)).toHaveLength(devices.length);
    const pems = new Map(devices.map((device, i) => [device, readFileSync(files[i]!, 'utf8')]));
    for (const [device, text] of pems) {
      expect(new X509Certificate(text).subject).toBe(`CN=${device}`);
    }
    expect(existsSync(work.at('pem', 'rejections.ndjson'))).toBe(false);

    for (const format of ['der', 'ndjson', 'p7b']) {
      const again = await issue(['csrs'], format, '--format', format);
      expect(again.exitCode).toBe(0);
      expect(summaryOf(again)).toMatchObject({ batchId: first.batchId, ...counts });
    }
    const derOf = (text: string): Buffer => new X509Certificate(text).raw;
    for (const [device, text] of pems) {
      expect(readFileSync(work.at('der', `${device}.der`)).equals(derOf(text))).toBe(true);
    }
    const lines = linesOf<{ deviceId: string; certificate: string; serialNumber: string }>(
      readFileSync(work.at('ndjson', 'certificates.ndjson'), 'utf8'),
    );
    expect(new Set(lines.map(({ serialNumber }) => serialNumber)).size).toBe(devices.length);
    // A CSR file names no device: the profile takes it from the request.
    for (const line of lines) expect(pems.get(line.deviceId)).toBe(line.certificate);
    const printed = openssl(
      ...['pkcs7', '-inform', 'DER', '-in', work.at('p7b', 'certificates.p7b'), '-print_certs'],
    );
    for (const text of pems.values()) expect(printed).toContain(text);
    expect(printed.match(/^subject=/gm)).toHaveLength(devices.length + 2);
    expect(await verifiedStore()).toMatchObject({ certificates: devices.length, findings: [] });
  });

  it('come from standard input too', async () => {
    opensslCsr('p256', '/CN=piped', work.at('piped.pem'));
    const args = ['issue', '-', '--profile', 'tls-client', '--data', 'data', '--out', 'out'];
    const ended = await runCertmill(args, {
      cwd: work.path,
      stdin: readFileSync(work.at('piped.pem')),
    });
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toMatch(/^issued 1 of 1 /);
    expect(opensslVerify(work.at('data'), [work.at('out', 'piped.pem')])).toContain(': OK');
  });
});

describe('what is no good request', () => {
  it('is rejected by its place, with exit status 2; a private key is kept nowhere', async () => {
    await mkdir(work.at('csrs'));
    const at = (name: string): string => work.at('csrs', name);
    opensslCsr('p256', '/CN=listed', at('a.pem'));
    opensslCsr('p256', '/CN=stranger', at('b.pem'));
    openssl(
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-out',
      at('c.pem'),
    );
    openssl('pkey', '-in', at('c.pem'), '-outform', 'DER', '-out', at('d.der'));
    openssl('req', '-x509', '-key', at('c.pem'), '-subj', '/CN=ca', '-out', at('e.pem'));
    await writeFile(
      at('f.ndjson'),
      `{"deviceId":"x","csr":${JSON.stringify(readFileSync(at('c.pem'), 'utf8'))}}\n`,
    );
    await writeFile(work.at('allow.csv'), 'deviceId,model\nlisted,M1\n');

    const ended = await issue(['csrs'], 'out', '--devices', 'allow.csv');
    expect([ended.exitCode, summaryOf(ended)]).toEqual([
      2,
      expect.objectContaining({ accepted: 6, issued: 1, rejected: 5 }),
    ]);
    expect(certificatesIn(work.at('out'))).toEqual(['listed.pem']);
    expect(
      rejectionsOf(work.at('out')).map(({ index, source, code }) => [index, source, code]),
    ).toEqual([
      [1, 'csrs/b.pem:1', 'DEVICE_NOT_AUTHORIZED'],
      [2, 'csrs/c.pem:1', 'PRIVATE_KEY_SUBMITTED'],
      [3, 'csrs/d.der', 'PRIVATE_KEY_SUBMITTED'],
      [4, 'csrs/e.pem:1', 'INPUT_NOT_A_CSR'],
      [5, 'csrs/f.ndjson:1', 'PRIVATE_KEY_SUBMITTED'],
    ]);

    const { d = '' } = createPrivateKey(readFileSync(at('c.pem'))).export({ format: 'jwk' });
    const scalar = Buffer.from(d, 'base64url');
    const pemLine = readFileSync(at('c.pem'), 'utf8').split('\n')[1]!;
    const kept = new Map([
      ...(await filesBelow(work.at('data'))),
      ...(await filesBelow(work.at('out'))),
    ]);
    const traces = [...kept].filter(
      ([, bytes]) => bytes.includes(scalar) || bytes.includes(pemLine),
    );
    expect(traces.map(([path]) => path)).toEqual([]);
    expect(ended.stderr).not.toContain(pemLine);
  });

  it('is not counted as issued while it runs', async () => {
    opensslCsr('p256', '/CN=good', work.at('a.pem'));
    await writeFile(work.at('b.ndjson'), '{"deviceId":"x"}\n');
    const ended = await issue(['a.pem', 'b.ndjson'], 'out');
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toMatch(/^done 2 of 2, 1 rejected/m);
    expect(ended.stderr).not.toContain('issued 2');
  });

  it('or a run that cannot go on is told with exit status 1 and its reason', async () => {
    opensslCsr('p256', '/CN=dev', work.at('dev.pem'));
    await writeFile(work.at('bomb.ndjson.gz'), gzipSync(Buffer.alloc(64 << 20, 0x0a)));
    const failures: readonly [readonly string[], string, RegExp][] = [
      [['dev.pem'], 'no-such-profile', /^error INVALID_INPUT: .*no-such-profile/m],
      [['missing.pem'], 'tls-client', /^error INVALID_INPUT: .*missing\.pem/m],
      [
        ['bomb.ndjson.gz'],
        'tls-client',
        /^error LIMIT_EXCEEDED: .*bomb\.ndjson\.gz: .*decompressed/m,
      ],
    ];
    for (const [inputs, profile, reason] of failures) {
      const ended = await issue(inputs, 'out', '--profile', profile);
      expect(ended.exitCode).toBe(1);
      expect(ended.stderr).toMatch(reason);
      expect(ended.stdout).toMatch(/^\{"error":\{"code":"[A-Z_]+".*\}\n$/);
    }
  });
});

describe('a run that was killed', () => {
  it('is completed by the same command, with no serial doubled', async () => {
    await writeFile(work.at('fleet.ndjson'), ndjsonOf(csrsOf(5_000, 'dev')));
    const args = ['issue', 'fleet.ndjson', '--profile', 'tls-client', '--format', 'ndjson'];
    const running = startCertmill([...args, '--data', 'data', '--out', 'out', '--json'], {
      cwd: work.path,
    });
    const segment = work.at('data', 'store', 'segments', '0000000001.segment');
    // A few chunks are stored, most are not.
    while (!existsSync(segment) || readFileSync(segment).length < 200_000) await sleep(5);
    running.child.kill('SIGKILL');
    expect(await running.ended).toMatchObject({ exitCode: null, stdout: '' });
    const before = (await verifiedStore()) as { certificates: number };
    expect(before).toMatchObject({ findings: [] });
    expect(before.certificates).toBeGreaterThan(0);
    expect(before.certificates).toBeLessThan(5_000);

    const again = await issue(['fleet.ndjson'], 'out', '--format', 'ndjson');
    expect([again.exitCode, summaryOf(again)]).toEqual([
      0,
      expect.objectContaining({ accepted: 5_000, issued: 5_000, rejected: 0 }),
    ]);
    const lines = linesOf<{ serialNumber: string; deviceId: string }>(
      await readFile(work.at('out', 'certificates.ndjson'), 'utf8'),
    );
    expect(new Set(lines.map(({ serialNumber }) => serialNumber)).size).toBe(5_000);
    expect(new Set(lines.map(({ deviceId }) => deviceId)).size).toBe(5_000);
    expect(await verifiedStore()).toMatchObject({ certificates: 5_000, inFlight: 0, findings: [] });
  });
});

describe('requests of real tools', () => {
  const interop = join(import.meta.dirname, '../../../libs/pipeline/test-data/interop');
  // Post-quantum requests are those of algorithms/mixed-chains.ts, whose profile names them.
  const fixtures = readdirSync(interop, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /\.(?:pem|der|csr)$/.test(name) && !name.includes('ml-dsa'),
  );
  // A tool signed several requests with one key, and a key belongs to one device.
  const isRefused = (name: string): boolean => /-(?:sha1|md5)\./.test(name);
  const groups = {
    plain: fixtures.filter((name) => !/-(?:ext|sha512|sha1|md5)\./.test(name)),
    extended: fixtures.filter((name) => name.includes('-ext.')),
    otherDigests: fixtures.filter((name) => name.includes('-sha512.') || isRefused(name)),
  };

  it('are accepted by tls-client, but for SHA-1 and MD5', async () => {
    expect(Object.values(groups).flat()).toHaveLength(fixtures.length);
    const runs = Object.entries(groups).map(async ([group, names]) => {
      const copies = names.map((name) => name.replaceAll('/', '-'));
      await mkdir(work.at(group));
      await Promise.all(
        names.map((name, i) => copyFile(join(interop, name), work.at(group, copies[i]!))),
      );
      const data = `${group}-data`;
      const out = `${group}-out`;
      const ended = await issue([group], out, '--data', data);
      const refused = copies.filter(isRefused).sort();
      expect([ended.exitCode, summaryOf(ended)]).toEqual([
        refused.length === 0 ? 0 : 2,
        expect.objectContaining({
          accepted: names.length,
          issued: names.length - refused.length,
          rejected: refused.length,
        }),
      ]);
      const issued = certificatesIn(work.at(out)).map((name) => work.at(out, name));
      expect(opensslVerify(work.at(data), issued).match(/: OK$/gm)).toHaveLength(issued.length);
      if (refused.length === 0) return;
      expect(rejectionsOf(work.at(out)).map(({ source, code }) => [source, code])).toEqual(
        refused.map((name) => [expect.stringContaining(name) as string, 'CSR_SIGALG_FORBIDDEN']),
      );
    });
    await Promise.all(runs);
  });
});

describe('the built-in device profiles', () => {
  const read = async (name: string): Promise<{ text: string; parsed: PeculiarCertificate }> => {
    const file = work.at('out', name);
    const text = openssl('x509', '-in', file, '-noout', '-text', '-nameopt', 'RFC2253,sname');
    return { text, parsed: new PeculiarCertificate(await readFile(file)) };
  };
  const keyUsageOf = (certificate: PeculiarCertificate): KeyUsageFlags | undefined =>
    certificate.getExtension(KeyUsagesExtension)?.usages;

  it('idevid: the serial number as row and request agree on it, no end', async () => {
    opensslCsr('p256', '/O=Acme', work.at('unit.pem'));
    opensslCsr('p256', '/serialNumber=SN-2', work.at('z.pem'));
    const csr = readFileSync(work.at('unit.pem'), 'utf8');
    await writeFile(work.at('unit.ndjson'), JSON.stringify({ deviceId: 'SN-1', csr }));
    await writeFile(work.at('allow.csv'), 'deviceId,serial\nSN-1,SN-1\nSN-2,ROW-2\n');
    const ended = await issue(
      ['unit.ndjson', 'z.pem'],
      'out',
      '--profile',
      'idevid',
      '--devices',
      'allow.csv',
    );
    expect(summaryOf(ended)).toMatchObject({ issued: 1, rejected: 1 });
    expect(rejectionsOf(work.at('out'))).toMatchObject([
      { source: 'z.pem:1', deviceId: 'SN-2', code: 'SUBJECT_MISMATCH' },
    ]);
    const { text, parsed } = await read('SN-1~u.pem');
    expect(text).toMatch(/Subject: serialNumber=SN-1$/m);
    expect(text).toContain('Not After : Dec 31 23:59:59 9999 GMT');
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature$/m);
    expect(text).toContain('othername: 1.3.6.1.5.5.7.8.4');
    expect(parsed.getExtension(SubjectAlternativeNameExtension)?.critical).toBe(false);
    expect(Buffer.from(parsed.rawData).includes(Buffer.from('SN-1'))).toBe(true);
    expect(keyUsageOf(parsed)).toBe(KeyUsageFlags.digitalSignature);
    expect(parsed.getExtension(BasicConstraintsExtension)).toBeNull();
  });

  it('ldevid: five years, for TLS clients', async () => {
    opensslCsr('p384', '/serialNumber=sn-2', work.at('dev.pem'));
    expect(await issue(['dev.pem'], 'out', '--profile', 'ldevid')).toMatchObject({ exitCode: 0 });
    const { text, parsed } = await read('sn-2.pem');
    expect(text).toMatch(/Subject: serialNumber=sn-2$/m);
    const days = (parsed.notAfter.getTime() - parsed.notBefore.getTime()) / 86_400_000;
    expect(Math.round(days)).toBe(5 * 365);
    expect(parsed.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual(['1.3.6.1.5.5.7.3.2']);
    const constraints = parsed.getExtension(BasicConstraintsExtension);
    expect([constraints?.ca, constraints?.critical]).toEqual([false, true]);
    expect(keyUsageOf(parsed)).toBe(KeyUsageFlags.digitalSignature);
    expect(text).toContain('othername: 1.3.6.1.5.5.7.8.4');
  });

  it('matter-dac: vendor and product of the row, at most 600 octets, of the vendor of its PAI', async () => {
    const ca = ['--data', 'data', '--vendor-id', 'FFF1', '--profile'];
    for (const command of [
      ['root', ...ca, 'matter-paa', '--subject', 'CN=PAA'],
      ['issue', 'pai', '--under', 'root', ...ca, 'matter-pai', '--subject', 'CN=PAI'],
    ]) {
      expect((await runCertmill(['ca', ...command], { cwd: work.path })).exitCode).toBe(0);
    }
    opensslCsr('p256', '/CN=dac-1', work.at('a.pem'));
    opensslCsr('p384', '/CN=dac-2', work.at('b.pem'));
    opensslCsr('p256', '/CN=dac-3', work.at('c.pem'));
    await writeFile(
      work.at('allow.csv'),
      'deviceId,vid,pid\ndac-1,0xfff1,8000\ndac-2,fff1,8000\ndac-3,fff2,8000\n',
    );
    const options = ['--profile', 'matter-dac', '--devices', 'allow.csv'];
    const ended = await issue(['a.pem', 'b.pem', 'c.pem'], 'out', ...options);
    expect(ended.exitCode).toBe(2);
    expect(rejectionsOf(work.at('out'))).toMatchObject([
      { index: 1, code: 'KEY_ALGORITHM_FORBIDDEN' },
      { index: 2, code: 'SUBJECT_MISMATCH', detail: expect.stringContaining('FFF2') as string },
    ]);
    const { text, parsed } = await read('dac-1.pem');
    expect(parsed.subjectName.getField('1.3.6.1.4.1.37244.2.1')).toEqual(['FFF1']);
    expect(parsed.subjectName.getField('1.3.6.1.4.1.37244.2.2')).toEqual(['8000']);
    expect(parsed.subjectName.getField('CN')).toEqual(['dac-1']);
    expect(parsed.rawData.byteLength).toBeLessThanOrEqual(600);
    expect(text).toContain('Not After : Dec 31 23:59:59 9999 GMT');
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature$/m);
  });
});
