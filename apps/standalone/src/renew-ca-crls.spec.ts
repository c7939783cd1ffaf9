import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuditEntry, ChainedAuditEntry } from '@certmill/domain';
import {
  createRoot,
  distinguishedNameDer,
  dueCaCrls,
  issueAuthority,
  parseDistinguishedName,
} from '@certmill/trust';
import { quorumPolicyFileOf, serializeQuorumPolicy } from '@certmill/trust/approvals';
import { renewCaCrls } from './renew-ca-crls.js';

const passphrase = 'only for this test';
const nowMs = Date.now();
const dayMs = 86_400_000;

describe('the CRLs of CA certificates of a folder with the keys', () => {
  let directory: string;
  const audited: AuditEntry[] = [];
  beforeEach(async () => {
    audited.length = 0;
    directory = mkdtempSync(join(tmpdir(), 'certmill-ca-crls-'));
    const wish = {
      ...{ directory, passphrase, keyType: 'ec-p256' as const },
      status: { baseUri: 'http://pki.example', crlShards: 0 },
    };
    const named = (name: string) => distinguishedNameDer(parseDistinguishedName(`CN=${name}`));
    await createRoot({ ...wish, subjectDer: named('Root') }, nowMs);
    const root = { directory, name: 'root', passphrase };
    for (const [name, pathLenConstraint] of Object.entries({ oem: 1, line: 0 })) {
      const ca = { ...wish, name, subjectDer: named(name), pathLenConstraint };
      await issueAuthority(ca, root, nowMs);
    }
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  /** What the first look makes, and what failed: once it is two, or `forMs` are over. */
  const look = async (
    secret = passphrase,
    atMs = nowMs,
    forMs = 60_000,
  ): Promise<readonly string[]> => {
    const told: string[] = [];
    const looked = Promise.withResolvers<undefined>();
    const tell = (text: string): void => {
      told.push(text);
      if (told.length === 2) looked.resolve(undefined);
    };
    const renewal = renewCaCrls({
      directory,
      readPassphrase: () => Promise.resolve(secret),
      audit: {
        appendAudit(entry) {
          audited.push(entry);
          return Promise.resolve({ ...entry, sequence: 1, hash: '' } as ChainedAuditEntry);
        },
      },
      clock: { nowMs: () => atMs },
      onMade: ({ ca }) => tell(`made ${ca}`),
      onFault: (_, ca) => tell(`fault ${ca ?? ''}`),
    });
    await Promise.race([looked.promise, pause(forMs, undefined, { ref: false })]);
    await renewal.stop(1_000);
    return told;
  };
  const due = async (day: number): Promise<readonly string[]> =>
    (await dueCaCrls(directory, nowMs + day * dayMs)).map(({ ca }) => ca.name);

  it('are made where there are none, and again at half of their life', async () => {
    expect(await look()).toEqual(['made root', 'made oem']);
    expect(existsSync(join(directory, 'ca/line/ca.crl'))).toBe(false);
    expect(audited.map(({ action }) => action)).toEqual(['ca.crl.made', 'ca.crl.made']);
    expect(await due(44)).toEqual([]);
    expect(await due(46)).toEqual(['root', 'oem']);
    expect(await look(passphrase, nowMs + 46 * dayMs)).toEqual(['made root', 'made oem']);
    expect(await due(47)).toEqual([]);
  });

  it('are left to people where a quorum guards the folder', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const approvers = [{ name: 'anna', publicKey: pem }];
    writeFileSync(
      quorumPolicyFileOf(directory),
      serializeQuorumPolicy({ threshold: 1, approvers }),
    );
    expect(await look(passphrase, nowMs, 2_000)).toEqual([]);
    expect(await due(0)).toEqual(['root', 'oem']);
  });

  it('of a key that does not open do not keep others from being looked at', async () => {
    expect(await look('another one')).toEqual(['fault root', 'fault oem']);
    expect(audited).toEqual([]);
  });
});
