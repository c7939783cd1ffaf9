import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { ResponderCertifier } from '@certmill/ports';
import { pemBlocksOf } from '../inspect/pem-blocks.js';
import { OpensslPki } from '../testing/openssl-pki.js';
import { ResponderFolder, type ResponderFolderOptions } from './responder-folder.js';

/** Needs openssl on the PATH: it is the CA that certifies responders. */
describe('the responder of an issuer', () => {
  const full = new CertmillError('FAULT_DISK_FULL', 'the audit trail cannot be written');
  let pki: OpensslPki;
  let directory: string;
  let nowMs: number;
  let signatures: string[];

  beforeAll(() => {
    pki = new OpensslPki();
    directory = mkdtempSync(join(tmpdir(), 'certmill-responders-'));
    pki.key('any');
    pki.request('any', '/O=Example/CN=responder');
  });
  afterAll(() => {
    pki[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    nowMs = Date.now();
    signatures = [];
  });

  const certifier: ResponderCertifier = {
    certifyResponder(issuer, subjectPKInfoDer) {
      signatures.push(issuer);
      const key = createPublicKey({
        key: Buffer.from(subjectPKInfoDer),
        format: 'der',
        type: 'spki',
      });
      writeFileSync(pki.path('responder.pub'), key.export({ type: 'spki', format: 'pem' }));
      pki.run(
        ...['x509', '-req', '-in', 'any.csr', '-force_pubkey', 'responder.pub', '-days', '30'],
        ...['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-CAcreateserial', '-extfile'],
        ...['pki.cnf', '-extensions', 'responder', '-out', 'made.pem'],
      );
      return Promise.resolve(pemBlocksOf(readFileSync(pki.path('made.pem')))[0]!.der);
    },
  };
  const aFolder = (overrides: Partial<ResponderFolderOptions> = {}): ResponderFolder => {
    const chainDer = [pemBlocksOf(readFileSync(pki.path('issuing.pem')))[0]!.der];
    return new ResponderFolder({
      directory,
      issuerOf: () => ({ chainDer, notBeforeMs: 0, notAfterMs: Date.UTC(2100, 0) }),
      readPassphrase: () => Promise.resolve('a passphrase'),
      certifier,
      audit: { appendAudit: (entry) => Promise.resolve({ ...entry, sequence: 1, hash: '' }) },
      clock: { nowMs: () => nowMs },
      ...overrides,
    });
  };
  const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
    asked.then(
      () => 'made',
      (error: unknown) => (error instanceof CertmillError ? error.code : 'another error'),
    );

  it.each([
    ['audit trail', { audit: { appendAudit: () => Promise.reject(full) } }],
    ['passphrase', { readPassphrase: () => Promise.reject(full) }],
  ])('takes one signature of the CA while the %s is away, however many ask', async (_, away) => {
    const folder = aFolder(away);
    expect(await codeOf(folder.responderOf('one'))).not.toBe('made');
    for (let i = 0; i < 20; i += 1) {
      expect(await codeOf(folder.responderOf('one'))).toBe('FAULT_OVERLOADED');
    }
    expect(signatures).toEqual(['one']);
    // Nobody else waits for it.
    await codeOf(folder.responderOf('other'));
    expect(signatures).toEqual(['one', 'other']);
  });

  it('is tried again ever later, up to a minute, and made once that can be', async () => {
    let isAway = true;
    const folder = aFolder({
      audit: {
        appendAudit: (entry) =>
          isAway ? Promise.reject(full) : Promise.resolve({ ...entry, sequence: 1, hash: '' }),
      },
    });
    const triesAtSeconds: number[] = [];
    const beginMs = nowMs;
    for (let second = 0; second < 300; second += 1) {
      nowMs = beginMs + second * 1_000;
      const before = signatures.length;
      await codeOf(folder.responderOf('late'));
      if (signatures.length > before) triesAtSeconds.push(second);
    }
    expect(triesAtSeconds).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    isAway = false;
    expect(await codeOf(folder.responderOf('late'))).toBe('FAULT_OVERLOADED');
    nowMs = beginMs + 303_000;
    expect(await folder.responderOf('late')).toMatchObject({ issuer: 'late' });
    expect(await codeOf(folder.responderOf('late'))).toBe('made');
    expect(signatures).toHaveLength(11);
  });
});
