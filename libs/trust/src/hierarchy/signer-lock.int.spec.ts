import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { pemEncode } from '@certmill/der';
import { certificatesInPem, readCaCertificate } from './ca-certificate.js';
import { type CaKeyPair, caSignerOf, generateCaKey } from './ca-key.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import type { CaModules, CaSlot } from './ca-slot.js';
import { crossCertify } from './cross-certify.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import type { AuthorityPlace } from './open-authority.js';
import { authorityIn } from './open-authority.js';
import { rekeyRoot } from './rekey-root.js';
import { rekeyAuthority, renewAuthority } from './renew-authority.js';
import { requestAuthority, requestRenewal, signAuthorityRequest } from './request-authority.js';
import { revokeAuthority } from './revoke-authority.js';
import type { ToldCommand } from './testing/commands-at-once.js';

const passphrase = 'only for this test';
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
const slot = { module: 'a test', token: 'a test', keyLabel: 'root', pinFile: 'a test' };

/** A token with keys of roots, which somebody else may be doing something beside. */
class Token implements CaModules {
  beside: () => Promise<void> = () => Promise.resolve();
  readonly #keys = new Map<string, CaKeyPair>();

  async generate({ keyId }: CaSlot, keyType: IssuerKeyType): Promise<void> {
    this.#keys.set(keyId, await generateCaKey(keyType));
  }

  async open({ keyId }: CaSlot) {
    await this.beside();
    const key = this.#keys.get(keyId);
    if (key === undefined) throw new Error('there is no such key');
    return caSignerOf(key.privateKey, key.subjectPKInfoDer);
  }
}

let folder: string;
let made: string;
beforeAll(() => (made = mkdtempSync(join(tmpdir(), 'certmill-signer-lock-'))));
afterAll(() => rmSync(made, { recursive: true, force: true }));
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'certmill-signer-lock-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const derOf = (file: string): Uint8Array =>
  certificatesInPem(readFileSync(file, 'utf8'))[0] ?? new Uint8Array();

describe('the folder of the key that signs a CA certificate', () => {
  const token = new Token();
  const keyType = 'ec-p256' as const;
  beforeAll(async () => {
    const [plant, medium] = [join(made, 'plant'), join(made, 'medium')];
    const wish = { passphrase, keyType, subjectDer: named('Root'), slot, modules: token };
    await createRoot({ ...wish, directory: medium }, nowMs);
    const parent = { directory: medium, name: 'root', passphrase, modules: token };
    const line = { directory: plant, name: 'line', passphrase, keyType, pathLenConstraint: 0 };
    await issueAuthority({ ...line, subjectDer: named('line') }, parent, nowMs);
    await createRoot({ directory: plant, passphrase, keyType, subjectDer: named('Own') }, nowMs);
  });
  beforeEach(() => cpSync(made, folder, { recursive: true }));

  type Way = (plant: string, root: AuthorityPlace) => Promise<unknown>;
  const ways: readonly (readonly [string, Way])[] = [
    [
      'sign',
      async (plant, parent) =>
        signAuthorityRequest({
          requestPem: await requestRenewal({ directory: plant, name: 'line', passphrase }),
          ...{ parent, nowMs },
        }),
    ],
    [
      'issue',
      async (directory, parent) =>
        issueAuthority(
          { directory, name: 'new', passphrase, keyType, subjectDer: named('new') },
          parent,
          nowMs,
        ),
    ],
    [
      'renew',
      async (directory, parent) => renewAuthority({ directory, name: 'line', parent, nowMs }),
    ],
    [
      'rekey',
      async (directory, parent) =>
        rekeyAuthority({ directory, name: 'line', successor: 'new', parent, passphrase, nowMs }),
    ],
    ['cross', async (directory, by) => crossCertify({ directory, name: 'line', by, nowMs })],
    [
      'rekey of a root',
      async (plant, from) =>
        rekeyRoot({
          ...{ from, into: { directory: `${plant}-next`, passphrase, modules: token }, nowMs },
          slot: { ...slot, keyLabel: 'next' },
        }),
    ],
  ];

  it.each(ways)(
    'is locked by %s until its record is there: a revocation waits, and covers it',
    async (name, way) => {
      const [plant, directory] = [join(folder, 'plant'), join(folder, 'medium')];
      const certificateDer = derOf(join(plant, 'ca/line/certificate.pem'));
      const order: string[] = [];
      let revoking: Promise<unknown> | undefined;
      let opened = 0;
      token.beside = async () => {
        opened += 1;
        // Before the key of a new CA is made that of the CA above is tried.
        if (revoking !== undefined || (name === 'issue' && opened === 1)) return;
        revoking = revokeAuthority({
          ...{ directory, parent: 'root', certificateDer, nowMs },
          reason: 'cessationOfOperation',
        }).then(() => order.push('revoked'));
        await Promise.race([revoking, pause(250)]);
      };
      await way(plant, { directory, name: 'root', passphrase, modules: token });
      order.push('signed');
      await revoking;
      expect(order).toEqual(['signed', 'revoked']);
      const { revokedCas } = await authorityIn(directory, 'root');
      const { spkiDer } = readCaCertificate(certificateDer, 'line');
      const issued = join(directory, 'ca/root/issued');
      const over = readdirSync(issued).filter((file) =>
        Buffer.from(derOf(join(issued, file))).includes(Buffer.from(spkiDer)),
      );
      expect(revokedCas.map(({ serialNumberHex }) => `${serialNumberHex}.pem`).sort()).toEqual(
        over.sort(),
      );
    },
  );
});

describe('two CAs that are made at once', () => {
  it.each([
    ['of one name', ['line', 'line'], ['one', 'two']],
    ['of one subject', ['line-1', 'line-2'], ['one', 'one']],
  ])('%s: one of them is refused, and nothing is signed of it', async (_, names, subjects) => {
    const common = { directory: folder, passphrase, keyType: 'ec-p256' as const };
    await createRoot({ ...common, subjectDer: named('Root') }, nowMs);
    const root = { directory: folder, name: 'root', passphrase };
    const made = await Promise.allSettled(
      names.map((name, index) => {
        const subjectDer = named(subjects[index] ?? '');
        return issueAuthority({ ...common, name, subjectDer, pathLenConstraint: 0 }, root, nowMs);
      }),
    );
    const refused = made.filter((one) => one.status === 'rejected');
    expect(refused.map(({ reason }) => reason as unknown)).toMatchObject([{ code: 'CONFLICT' }]);
    const [there] = made.filter((one) => one.status === 'fulfilled');
    expect(readdirSync(join(folder, 'ca/root/issued'))).toEqual([
      `${String(there?.value.serialNumberHex)}.pem`,
    ]);
  });
});

/** Two processes that do something in one folder, at the same time. */
describe('two processes at once', () => {
  const program = join(import.meta.dirname, 'testing/commands-at-once.js');
  const started: ChildProcess[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill();
  });
  const start = async () => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    started.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => String((await lines.next()).value);
    expect(await next()).toBe('ready');
    return async (command: ToldCommand): Promise<string> => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return next();
    };
  };
  const keyType = 'ec-p256' as const;
  const aRoot = (directory: string, name: string) =>
    createRoot({ directory, passphrase, keyType, subjectDer: named(name) }, nowMs);
  const place = (directory: string) => ({ directory, name: 'root', passphrase });

  it('that lock two folders do not wait for each other', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    await aRoot(a, 'A');
    await aRoot(b, 'B');
    const told = await Promise.all([start(), start()]);
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.all(
        [
          { directory: a, by: place(b) },
          { directory: b, by: place(a) },
        ].map(async (options, index) =>
          told[index]?.({ do: 'cross', options: { ...options, name: 'root', nowMs } }),
        ),
      );
      expect(outcomes).toEqual(['done', 'done']);
    }
    expect(readdirSync(join(a, 'ca/root/alternative'))).toHaveLength(5);
    expect(readdirSync(join(b, 'ca/root/alternative'))).toHaveLength(5);
  });

  it('of which one signs a CA and the other revokes it leave no certificate good, as openssl sees it', async () => {
    const data = join(folder, 'data');
    await aRoot(data, 'Root');
    const [sign, revoke] = await Promise.all([start(), start()]);
    const issued = join(data, 'ca/root/issued');
    const outcomes: string[] = [];
    for (const [index, afterMs] of [0, 2, 5, 10, 20, 40].entries()) {
      const name = `line-${String(index)}`;
      const { requestPem } = await requestAuthority({
        ...{ directory: data, name, passphrase, keyType, subjectDer: named(name) },
        pathLenConstraint: 0,
      });
      const options = { requestPem, parent: place(data), nowMs };
      const { certificate } = await signAuthorityRequest(options);
      const [signed, revoked] = await Promise.all([
        sign({ do: 'sign', options }),
        revoke({
          ...{ do: 'revoke', afterMs },
          options: { directory: data, parent: 'root', reason: 'cessationOfOperation', nowMs },
          certificate: Buffer.from(certificate.der).toString('base64'),
        }),
      ]);
      expect(revoked).toBe('done');
      expect(['done', 'CONFLICT']).toContain(signed);
      outcomes.push(signed);
    }
    const { der } = await issueCaCrl(place(data), 86_400, nowMs);
    const crl = join(folder, 'root.crl');
    writeFileSync(crl, pemEncode('X509 CRL', der));
    const files = readdirSync(issued).map((file) => join(issued, file));
    expect(files).toHaveLength(6 + outcomes.filter((outcome) => outcome === 'done').length);
    for (const file of files) {
      const { stdout, stderr } = spawnSync('openssl', [
        ...['verify', '-x509_strict', '-crl_check_all', '-CRLfile', crl],
        ...['-CAfile', join(data, 'ca/root/certificate.pem'), file],
      ]);
      expect(`${String(stdout)}${String(stderr)}`).toContain('certificate revoked');
    }
  });
});
