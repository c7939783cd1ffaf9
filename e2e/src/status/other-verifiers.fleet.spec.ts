import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import {
  findGnuTls,
  NssDatabase,
  statusByBouncyCastle,
  type StatusQuestion,
} from '@certmill/native';
import { addCrlJob } from '@certmill/pipeline';
import { issueCaCrl } from '@certmill/trust';
import { aServer, passphrase, type TestServer } from '../http/test-server.js';
import { issueFiles, revoke, run, type IssuedFiles } from './certificate-holder.js';

/** Certificates, CRLs and OCSP responses of a real server, judged by GnuTLS, NSS and Bouncy Castle. */
const good = 0;
const revoked = 1;
const held = 2;

let server: TestServer;
let files: IssuedFiles;
let crlFile: string;
let rootCrlFile: string;

async function crlInForce(): Promise<Uint8Array> {
  const { store } = server.server.issuance;
  const scope = { issuer: 'dev', shard: 0 };
  const changes = await store.countChanges(scope);
  await addCrlJob(store, scope);
  for (let tries = 0; tries < 1_000; tries += 1) {
    const crl = await store.getCrl(scope, 'full');
    if (crl !== undefined && crl.changes >= changes) return crl.der;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('no CRL was made');
}

beforeAll(async () => {
  server = await aServer({}, {}, { config: { status: { port: 0 } } });
  files = await issueFiles(server, 3);
  await revoke(server, files, revoked, 'keyCompromise', Date.now() - 60_000);
  await revoke(server, files, held, 'certificateHold', Date.now() - 60_000);
  crlFile = join(files.directory, 'dev.crl');
  rootCrlFile = join(files.directory, 'root.crl');
  await writeFile(crlFile, await crlInForce());
  const place = { directory: server.data, name: 'root', passphrase };
  await writeFile(rootCrlFile, (await issueCaCrl(place, 86_400, Date.now())).der);
});

afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function derOf(file: string): Promise<Uint8Array> {
  return new X509Certificate(await readFile(file)).raw;
}

describe('GnuTLS', () => {
  test('verifies the CRL, and reads its entries', async () => {
    const { certtool } = await findGnuTls();
    const issuer = join(files.directory, 'issuer.der');
    await writeFile(issuer, await derOf(files.issuer));
    const verify = ['--verify-crl', '--inder', '--load-ca-certificate', issuer];
    const verified = await run(certtool, ...verify, '--infile', crlFile);
    expect(verified.text).toContain('Verification output: Verified');
    const { text } = await run(certtool, '--crl-info', '--inder', '--infile', crlFile);
    expect(text).toContain('Revoked certificates (2):');
    expect(text).toContain('Signature Algorithm: ECDSA-SHA256');
  });

  test('asks the responder itself, and verifies what it is answered', async () => {
    const { ocsptool } = await findGnuTls();
    const url = `${server.server.status?.url ?? ''}/ocsp`;
    const status = async (index: number): Promise<string> => {
      const about = ['--load-cert', files.certificates[index] ?? '', '--nonce'];
      const trust = ['--load-issuer', files.issuer, '--load-trust', files.chain];
      const { text } = await run(ocsptool, `--ask=${url}`, ...about, ...trust);
      expect(text).toContain('Verifying OCSP Response: Success');
      return /Certificate Status: (\w+)/.exec(text)?.[1] ?? '';
    };
    expect(await status(good)).toBe('good');
    expect(await status(revoked)).toBe('revoked');
    expect(await status(held)).toBe('revoked');
  });
});

test('NSS takes the CRL, and refuses what is on it', async () => {
  const database = await NssDatabase.create();
  try {
    const root = join(server.data, 'ca', 'root', 'certificate.pem');
    await database.addCertificate('root', await derOf(root), 'root');
    await database.addCertificate('issuer', await derOf(files.issuer), 'none');
    for (const [index, file] of files.certificates.entries()) {
      await database.addCertificate(`device-${String(index)}`, await derOf(file), 'none');
    }
    const verdict = (index: number) => database.verdictOn(`device-${String(index)}`, 'client');
    expect(await verdict(revoked)).toBe('valid');
    await database.addCrl(await readFile(crlFile));
    expect(await verdict(good)).toBe('valid');
    expect(await verdict(revoked)).toContain('has been revoked');
    expect(await verdict(held)).toContain('has been revoked');
  } finally {
    await database.remove();
  }
});

/** What a responder answered about a certificate, asked by OpenSSL. */
async function answerAbout(index: number): Promise<string> {
  const file = join(files.directory, `answer-${String(index)}.der`);
  await run(
    'openssl',
    ...['ocsp', '-issuer', files.issuer, '-cert', files.certificates[index] ?? ''],
    ...['-CAfile', files.chain, '-url', `${server.server.status?.url ?? ''}/ocsp`],
    ...['-respout', file],
  );
  return file;
}

test('Bouncy Castle agrees, by the CRLs of the whole chain and by OCSP', async () => {
  const questions: StatusQuestion[] = [];
  for (const index of [good, revoked, held]) {
    const chainFile = join(files.directory, `chain-${String(index)}.pem`);
    const device = await readFile(files.certificates[index] ?? '', 'utf8');
    await writeFile(chainFile, device + (await readFile(files.chain, 'utf8')));
    questions.push({ chainFile, crlFiles: [crlFile, rootCrlFile] });
    questions.push({ chainFile, crlFiles: [], ocspFile: await answerAbout(index) });
  }
  const verdicts = await statusByBouncyCastle(questions);
  expect(verdicts).toEqual([
    'OK',
    'good',
    expect.stringContaining('keyCompromise'),
    'revoked',
    expect.stringContaining('certificateHold'),
    'revoked',
  ]);
});
