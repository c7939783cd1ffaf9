import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
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
  /** Of certificates that are made. */
  let days: number;

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
    days = 30;
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
        ...['x509', '-req', '-in', 'any.csr', '-force_pubkey', 'responder.pub', '-days', `${days}`],
        ...['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-CAcreateserial', '-extfile'],
        ...['pki.cnf', '-extensions', 'responder', '-out', 'made.pem'],
      );
      return Promise.resolve(pemBlocksOf(readFileSync(pki.path('made.pem')))[0]!.der);
    },
  };
  const issuer = () => ({
    chainDer: [pemBlocksOf(readFileSync(pki.path('issuing.pem')))[0]!.der],
    notBeforeMs: 0,
    notAfterMs: Date.UTC(2100, 0),
  });
  const aFolder = (overrides: Partial<ResponderFolderOptions> = {}): ResponderFolder => {
    return new ResponderFolder({
      directory,
      issuerOf: issuer,
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

  describe('that a process finds in the folder when it starts', () => {
    const name = 'found';
    const dayMs = 86_400_000;
    let endMs: number;
    beforeEach(async () => {
      const made = await aFolder().responderOf(name);
      endMs = made?.notAfterMs ?? 0;
      signatures = [];
    });
    afterEach(() => rmSync(join(directory, `${name}.pem`), { force: true }));

    it.each(['in its last third', 'ended'])(
      'is told of where it is %s and nobody here renews it, until another one is brought',
      async (state) => {
        // Without the key of the CA: the one that was made elsewhere was carried here.
        const folder = aFolder({ certifies: () => false });
        nowMs = endMs + (state === 'ended' ? dayMs : -dayMs);
        expect(folder.firstOverdueEndMs()).toBeUndefined();
        const used = await folder.responderOf(name);
        expect(used?.notAfterMs).toBe(state === 'ended' ? undefined : endMs);
        expect(folder.firstOverdueEndMs()).toBe(endMs);
        rmSync(join(directory, `${name}.pem`));
        days = 90;
        await aFolder().responderOf(name);
        nowMs += 60_000;
        // One in force is used while the next one is read.
        let lastMs = 0;
        while (lastMs <= endMs) {
          lastMs = (await folder.responderOf(name))?.notAfterMs ?? 0;
          await nextTurn();
        }
        expect(folder.firstOverdueEndMs()).toBeUndefined();
      },
    );

    it('is told of no more once its file is away, or its CA has ended', async () => {
      nowMs = endMs + dayMs;
      const over = aFolder({
        certifies: () => false,
        issuerOf: () => ({ ...issuer(), notAfterMs: endMs + 2 * dayMs }),
      });
      await over.responderOf(name);
      expect(over.firstOverdueEndMs()).toBe(endMs);
      nowMs = endMs + 3 * dayMs;
      expect(over.firstOverdueEndMs()).toBeUndefined();

      const folder = aFolder({ certifies: () => false });
      await folder.responderOf(name);
      expect(folder.firstOverdueEndMs()).toBe(endMs);
      rmSync(join(directory, `${name}.pem`));
      await folder.responderOf(name);
      expect(folder.firstOverdueEndMs()).toBeUndefined();
    });

    it('is used to its end while the key of the CA is away, and told of', async () => {
      const lost = new CertmillError('FAULT_HSM_LOST', 'the slot is away');
      const faults: unknown[] = [];
      const folder = aFolder({
        certifier: { certifyResponder: () => Promise.reject(lost) },
        onFault: (_, error) => faults.push(error),
      });
      nowMs = endMs - dayMs;
      expect(await folder.responderOf(name)).toMatchObject({ notAfterMs: endMs });
      expect(faults).toEqual([lost]);
      expect(folder.firstOverdueEndMs()).toBe(endMs);
      nowMs = endMs + 1;
      expect(await codeOf(folder.responderOf(name))).toBe('FAULT_HSM_LOST');
      expect(folder.firstOverdueEndMs()).toBe(endMs);
      // So after a restart.
      const again = aFolder({ certifier: { certifyResponder: () => Promise.reject(lost) } });
      expect(await codeOf(again.responderOf(name))).toBe('FAULT_HSM_LOST');
      expect(again.firstOverdueEndMs()).toBe(endMs);
    });
  });
});
