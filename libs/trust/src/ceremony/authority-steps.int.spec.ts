import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, webcrypto, X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import { issueAuthority } from '../hierarchy/issue-authority.js';
import { distinguishedNameDer, parseDistinguishedName } from '../hierarchy/distinguished-name.js';
import { withCaLock } from '../hierarchy/folder-lock.js';
import { keySha256Of } from '../hierarchy/lost-keys.js';
import { authorityIn } from '../hierarchy/open-authority.js';
import { requestAuthority } from '../hierarchy/request-authority.js';
import { revokedBefore, revokedBeforeText } from '../hierarchy/revoked-before.js';
import { revokeAuthority } from '../hierarchy/revoke-authority.js';
import { writeRevokedCas } from '../hierarchy/revoked-cas.js';
import { x509 } from '../x509-library.js';
import type { CeremonyStep } from './ceremony-file.js';
import { parseKeyShare } from './key-share.js';
import { type CeremonyResult, runCeremony } from './run-ceremony.js';
import { aCeremony } from './testing/a-ceremony.js';
import { aCeremonyOf, aRun, ceremonyMs, everybody, play } from './testing/play.js';
import { rehearseCeremony } from './rehearse-ceremony.js';
import { assertNoneComesBack, viewInput } from './view-input.js';

const [makeRoot] = aCeremony().steps;
if (makeRoot?.do !== 'make-root') throw new Error('no step');

let data: string;
let root: CeremonyResult;
let shares: typeof everybody.shares;
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'certmill-authority-'));
  const request = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const self = ['-x509', '-days', '3650', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl(
    ...request,
    ...self,
    '-subj',
    '/CN=Other root',
    '-keyout',
    at('o.key'),
    '-out',
    at('other.pem'),
  );
  root = await play(data, [makeRoot]);
  shares = sharesOf(root);
});
/** With a key of its own: nothing is signed again over one that was revoked. */
const aFactoryRequest = (): void => {
  openssl(
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0', '-subj', '/O=Example/CN=Factory'],
    ...['-keyout', at('f.key'), '-out', at('factory.csr.pem')],
  );
};
/** Of two custodians, of the root that a ceremony made. */
const sharesOf = ({ folder }: CeremonyResult): typeof everybody.shares =>
  ['alice', 'bob'].map((name) => {
    const file = join(folder, '01-make-root/outputs', `key-root.${name}.share.json`);
    return parseKeyShare(readFileSync(file, 'utf8'), file);
  });
beforeEach(() => {
  aFactoryRequest();
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

const at = (...path: string[]): string => join(data, ...path);
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const input = (file: string): { file: string; sha256: string } => ({
  file,
  sha256: createHash('sha256')
    .update(readFileSync(at(file)))
    .digest('hex'),
});
const custody = (): typeof everybody => ({ ...everybody, shares });
const playHere = (...steps: CeremonyStep[]): Promise<CeremonyResult> =>
  play(data, steps, { custody: custody() });
const verifiedUnder = (root: string, ...args: string[]): string =>
  openssl('verify', '-x509_strict', '-CAfile', root, ...args);
const verified = (...args: string[]): string =>
  verifiedUnder(at('ca/root/certificate.pem'), ...args);

describe('under a root whose key is split', () => {
  it('a CA is issued for a request, revoked, and stands in the CRL, as openssl sees it', async () => {
    const issued = await playHere({
      ...{ do: 'issue-ca', under: 'root', request: input('factory.csr.pem'), lifetime: '10y' },
      permit: ['dns:example.com'],
    });
    const chain = join(issued.folder, '01-issue-ca/outputs/factory.chain.pem');
    expect(verified(chain)).toContain(': OK');
    const certificate = new X509Certificate(readFileSync(chain));
    expect(certificate.subject).toBe('O=Example\nCN=Factory');
    const kept = at('ca/root/issued', `${certificate.serialNumber.toLowerCase()}.pem`);
    expect(new X509Certificate(readFileSync(kept)).fingerprint256).toBe(certificate.fingerprint256);
    writeFileSync(at('factory.pem'), readFileSync(kept));
    const revoked = await playHere(
      {
        do: 'revoke-ca',
        under: 'root',
        certificate: input('factory.pem'),
        reason: 'keyCompromise',
      },
      { do: 'make-crl', ca: 'root', nextUpdate: '400d' },
    );
    const crl = join(revoked.folder, '02-make-crl/outputs/root.crl.pem');
    const text = openssl('crl', '-in', crl, '-noout', '-text');
    expect(text).toContain(`Serial Number: ${certificate.serialNumber}`);
    expect(text).toContain('Key Compromise');
    expect(() => verified('-crl_check', '-CRLfile', crl, at('factory.pem'))).toThrow('revoked');
    const later = await playHere({ do: 'make-crl', ca: 'root', nextUpdate: '400d' });
    const numberOf = ({ entries }: CeremonyResult): bigint => {
      const entry = entries.findLast(({ kind }) => kind === 'step');
      if (entry?.kind !== 'step') throw new Error('no step');
      return BigInt(String(entry.facts['crlNumber']));
    };
    expect(numberOf(later)).toBeGreaterThan(numberOf(revoked));
  });

  it('a CA is revoked with all over its key, and does not come back over it, nor is that rehearsed', async () => {
    const issue = { do: 'issue-ca', under: 'root', request: input('factory.csr.pem') } as const;
    const issued = async (): Promise<string> => {
      const { folder } = await playHere(issue);
      return join(folder, '01-issue-ca/outputs/factory.chain.pem');
    };
    const files = [await issued(), await issued()];
    const [first = '', second = ''] = files.map(
      (file) => new X509Certificate(readFileSync(file)).serialNumber,
    );
    const revoke: CeremonyStep = {
      ...{ do: 'revoke-ca', under: 'root', reason: 'keyCompromise' },
      certificate: input(relative(data, files[1] ?? '')),
    };
    const steps: CeremonyStep[] = [revoke, { do: 'make-crl', ca: 'root', nextUpdate: '30d' }];
    const rehearse = async (...rehearsed: CeremonyStep[]): Promise<CeremonyResult> => {
      const workDirectory = mkdtempSync(join(data, 'work-'));
      return rehearseCeremony({ ...aRun(data, aCeremonyOf(...rehearsed)), workDirectory });
    };
    const factsOf = ({ entries }: CeremonyResult, index: number) =>
      entries.filter((entry) => entry.kind === 'step')[index]?.facts;
    const [rehearsed, revoked] = [await rehearse(...steps), await playHere(...steps)];
    for (const result of [rehearsed, revoked]) {
      expect(factsOf(result, 0)).toMatchObject({
        serialNumberHex: second.toLowerCase(),
        others: [{ serialNumberHex: first.toLowerCase() }],
        ...{ isNew: true, notCovered: [], unread: [] },
      });
    }
    expect(factsOf(rehearsed, 1)?.['entries']).toBe(factsOf(revoked, 1)?.['entries']);
    const crl = join(revoked.folder, '02-make-crl/outputs/root.crl.pem');
    for (const file of files) {
      expect(() => verified('-crl_check', '-CRLfile', crl, file)).toThrow('revoked');
    }
    const cross: CeremonyStep = {
      ...{ do: 'cross-certify', under: 'root' },
      certificate: input(relative(data, files[0] ?? '')),
    };
    for (const again of [issue, cross]) {
      await expect(playHere(again)).rejects.toThrow('none is signed over it again');
      await expect(rehearse(again)).rejects.toThrow('none is signed over it again');
      // What stands in one file is seen before anybody approves it.
      const view = (step: CeremonyStep, file: string) => ({
        step,
        view: viewInput(step, readFileSync(file))!,
      });
      const seen = view(again, again === issue ? at('factory.csr.pem') : (files[0] ?? ''));
      expect(() => assertNoneComesBack([view(revoke, files[1] ?? ''), seen])).toThrow(
        'which a step before it revokes',
      );
      expect(() => assertNoneComesBack([seen, view(revoke, files[1] ?? '')])).not.toThrow();
    }
  });

  it('a ceremony that was killed does not undo what others did before it went on', async () => {
    const issued = async (): Promise<string> => {
      const step = { do: 'issue-ca', under: 'root', request: input('factory.csr.pem') } as const;
      const { folder } = await playHere(step);
      return relative(data, join(folder, '01-issue-ca/outputs/factory.chain.pem'));
    };
    const [a, b] = [await issued(), await issued()];
    const certificate = new X509Certificate(readFileSync(at(b)));
    const reason = 'keyCompromise';
    const run = aRun(
      data,
      aCeremonyOf({ do: 'revoke-ca', under: 'root', certificate: input(a), reason }),
      { custody: custody() },
    );
    const revokeB = (): ReturnType<typeof revokeAuthority> =>
      revokeAuthority({
        ...{ directory: data, parent: 'root', reason, nowMs: ceremonyMs },
        certificateDer: certificate.raw,
      });
    const dies = runCeremony({
      ...run,
      tell: ({ kind }) => {
        if (kind === 'committed') throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    await revokeB();
    await expect(runCeremony(run)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('ca/root/revoked-cas.json was changed') as string,
    });
    await expect(revokeB()).resolves.toMatchObject({ isNew: false });
  });

  it('another command waits until a step has changed what it was made from', async () => {
    const order: string[] = [];
    const step = { do: 'make-crl', ca: 'root', nextUpdate: '30d' } as const;
    let other: Promise<unknown> = Promise.resolve();
    await play(data, [step], {
      custody: custody(),
      tell: ({ kind }) => {
        order.push(kind);
        if (kind !== 'staged') return;
        other = withCaLock(data, () => Promise.resolve(order.push('other')));
      },
    });
    await other;
    expect(order).toEqual(['begun', 'staged', 'committed', 'done', 'other']);
  });

  it('another root is cross-certified', async () => {
    const cross = { do: 'cross-certify', under: 'root', pathLength: 0 } as const;
    const result = await playHere({ ...cross, certificate: input('other.pem') });
    const chain = join(result.folder, '01-cross-certify/outputs/other.chain.pem');
    expect(verified(chain)).toContain(': OK');
    expect(new X509Certificate(readFileSync(chain)).subject).toBe('CN=Other root');
  });

  it('the same is rehearsed without a share', async () => {
    const workDirectory = mkdtempSync(join(data, 'work-'));
    const ceremony = aCeremonyOf(
      { do: 'issue-ca', under: 'root', request: input('factory.csr.pem') },
      { do: 'cross-certify', under: 'root', certificate: input('other.pem'), pathLength: 0 },
      { do: 'make-crl', ca: 'root', nextUpdate: '30d' },
    );
    const rehearsed = await rehearseCeremony({ ...aRun(data, ceremony), workDirectory });
    expect(rehearsed.entries.filter(({ kind }) => kind === 'step')).toHaveLength(3);
    const chain = join(rehearsed.folder, '01-issue-ca/outputs/factory.chain.pem');
    expect(() => verified(chain)).toThrow();
  });

  it('a CA of a name that is too long is rehearsed where the root has let it be before', async () => {
    const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const wish = { name: `CN=${'x'.repeat(73)}`, keys, signingAlgorithm: algorithm };
    const request = await x509.Pkcs10CertificateRequestGenerator.create(wish);
    writeFileSync(at('long.csr.pem'), request.toString('pem'));
    const step = { do: 'issue-ca', under: 'root', request: input('long.csr.pem') } as const;
    const rehearse = () => {
      const workDirectory = mkdtempSync(join(data, 'work-'));
      return rehearseCeremony({ ...aRun(data, aCeremonyOf(step)), workDirectory });
    };
    await expect(rehearse()).rejects.toThrow('has a commonName of 73 characters');
    const before = await x509.X509CertificateGenerator.createSelfSigned({
      ...wish,
      extensions: [new x509.BasicConstraintsExtension(true)],
    });
    const file = at('ca/root/issued/7f01.pem');
    writeFileSync(file, before.toString('pem'));
    const { folder } = await rehearse();
    const chain = readFileSync(join(folder, '01-issue-ca/outputs/long.chain.pem'));
    expect(new X509Certificate(chain).subject).toBe(wish.name);
    rmSync(file);
  });

  describe('a request that asks for two tiers below it', () => {
    const request = (): ReturnType<typeof input> => {
      const subject = ['-subj', '/O=Example/CN=Greedy', '-keyout', at('g.key')];
      openssl(
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes'],
        ...['-addext', 'basicConstraints=critical,CA:TRUE,pathlen:2', ...subject],
        ...['-addext', 'certificatePolicies=1.3.6.1.4.1.99999.7', '-out', at('greedy.csr.pem')],
      );
      return input('greedy.csr.pem');
    };
    const step = (pathLength?: number): CeremonyStep => ({
      ...{ do: 'issue-ca', under: 'root', request: request() },
      ...(pathLength === undefined ? {} : { pathLength }),
    });

    it('decides nothing: the ceremony says what it gets, or it is refused', async () => {
      const reason = 'asks for the path length 2: say which it gets';
      await expect(playHere(step())).rejects.toThrow(reason);
      expect(() => viewInput(step(), readFileSync(at('greedy.csr.pem')))).toThrow(reason);
      const { folder } = await playHere(step(0));
      const chain = join(folder, '01-issue-ca/outputs/greedy.chain.pem');
      expect(openssl('x509', '-in', chain, '-noout', '-text')).toContain('CA:TRUE, pathlen:0');
    });

    it('is shown to those who approve it, with its key as openssl hashes it', () => {
      const view = viewInput(step(0), readFileSync(at('greedy.csr.pem')));
      const key = openssl('pkey', '-in', at('g.key'), '-pubout');
      const spki = Buffer.from(key.replaceAll(/-----[^-]+-----/g, ''), 'base64');
      expect(view).toMatchObject({
        ...{ kind: 'request', subject: 'O=Example, CN=Greedy', keyType: 'ec-p384' },
        keySha256: createHash('sha256').update(spki).digest('hex'),
        extensions: [
          { name: 'basicConstraints', value: { cA: true, pathLenConstraint: 2 } },
          { name: 'certificatePolicies' },
        ],
      });
      expect(view).toMatchObject({ taken: expect.arrayContaining(['2.5.29.32']) as unknown });
      const ours = { ...step(0), policies: ['1.3.6.1.4.1.99999.8'] } as CeremonyStep;
      expect(viewInput(ours, readFileSync(at('greedy.csr.pem')))).toMatchObject({
        taken: expect.not.arrayContaining(['2.5.29.32']) as unknown,
      });
    });

    it('is refused before anybody approves it where it is no PAI that is to be one', () => {
      const pai = { ...step(0), profile: 'matter-pai' } as CeremonyStep;
      expect(() => viewInput(pai, readFileSync(at('greedy.csr.pem')))).toThrow(
        'CA profile matter-pai: the key is ec-p256, not ec-p384',
      );
    });
  });

  describe('a rehearsal', () => {
    let work: string;
    beforeEach(() => {
      work = mkdtempSync(join(tmpdir(), 'certmill-rehearsal-'));
    });
    afterEach(() => rmSync(work, { recursive: true }));
    const rehearse = (where: string, ...steps: CeremonyStep[]): Promise<CeremonyResult> =>
      rehearseCeremony({ ...aRun(where, aCeremonyOf(...steps)), workDirectory: work });
    const issueFactory = async (): Promise<string> => {
      const step = { do: 'issue-ca', under: 'root', request: input('factory.csr.pem') } as const;
      const { folder } = await playHere(step);
      return relative(data, join(folder, '01-issue-ca/outputs/factory.chain.pem'));
    };
    const revoke = (file: string): CeremonyStep => ({
      ...{ do: 'revoke-ca', under: 'root', certificate: input(file), reason: 'superseded' },
    });

    it('revokes a CA, alone or with the CRL that says so', async () => {
      const file = await issueFactory();
      const crl = { do: 'make-crl', ca: 'root', nextUpdate: '30d' } as const;
      const { entries } = await rehearse(data, revoke(file), crl);
      const [revoked, made] = entries.filter((entry) => entry.kind === 'step');
      const { serialNumber } = new X509Certificate(readFileSync(at(file)));
      expect(revoked?.facts).toMatchObject({
        serialNumberHex: serialNumber.toLowerCase(),
        isNew: true,
      });
      expect(made?.facts['entries']).toBeGreaterThan(0);
      rmSync(work, { recursive: true });
      await expect(rehearse(data, revoke(file))).resolves.toBeDefined();
    });

    it('revokes nothing that the CA did not sign, nor another file than was approved', async () => {
      await expect(rehearse(data, revoke('other.pem'))).rejects.toThrow('did not sign');
      const other = { ...input('other.pem'), sha256: '0'.repeat(64) };
      const step = { ...revoke('other.pem'), certificate: other } as CeremonyStep;
      await expect(rehearse(data, step)).rejects.toThrow('is not what was approved');
    });

    it('makes keys for CAs that steps sign with, and folders for those that they name', async () => {
      const passphrase = 'a test';
      const folder = join(work, 'data');
      const options = { directory: folder, passphrase, nowMs: ceremonyMs - 1_000 };
      await createHierarchy({ name: 'factory', ...options });
      const place = { directory: folder, name: 'root', passphrase };
      for (const name of ['mill', 'line']) {
        const subjectDer = distinguishedNameDer(parseDistinguishedName(`CN=${name}`));
        const wish = { ...options, name, subjectDer, keyType: 'ec-p256' } as const;
        await issueAuthority({ ...wish, pathLenConstraint: 0 }, place, ceremonyMs);
      }
      const stage = join(work, 'stage');
      const ceremony = aCeremonyOf(
        { do: 'make-crl', ca: 'mill', nextUpdate: '30d' },
        { do: 'backup-keys', cas: ['factory'] },
      );
      await rehearseCeremony({ ...aRun(folder, ceremony), workDirectory: stage });
      const names = readdirSync(join(stage, 'ca')).filter((name) => !name.startsWith('.'));
      expect(names.sort()).toEqual(['factory', 'mill', 'root']);
      const isOwn = (name: string): boolean =>
        readFileSync(join(stage, 'ca', name, 'certificate.pem'), 'utf8') ===
        readFileSync(join(folder, 'ca', name, 'certificate.pem'), 'utf8');
      expect(['factory', 'mill'].map(isOwn)).toEqual([true, false]);
      // A new root certificate changes the chains of all.
      const renewed = join(work, 'renewed');
      const renewal = aCeremonyOf({ do: 'renew-root', validity: { lifetime: '40y' } });
      const { entries } = await rehearseCeremony({
        ...aRun(folder, renewal),
        workDirectory: renewed,
      });
      const changed = entries.flatMap((entry) => (entry.kind === 'effects' ? entry.done : []));
      for (const name of ['factory', 'mill', 'line']) {
        expect(changed).toContain(`ca/${name}/chain.pem is there`);
      }
    });

    it.each([
      ['names', { permit: ['dn:O=Other'] }, 'outside the name constraints'],
      ['policies', { policies: ['1.3.6.1.4.1.99999.1'] }, 'would have policies'],
      ['purposes', { purposes: ['1.3.6.1.5.5.7.3.2'] }, 'would have purposes'],
    ])(
      'fails where the %s of the real CA are against it, as the ceremony does',
      async (_, constraint, reason) => {
        const folder = join(work, 'data');
        const made = await play(folder, [{ ...makeRoot, ...constraint }]);
        writeFileSync(join(folder, 'factory.csr.pem'), readFileSync(at('factory.csr.pem')));
        const step: CeremonyStep = {
          ...{ do: 'issue-ca', under: 'root', request: input('factory.csr.pem') },
          ...{ policies: ['1.3.6.1.4.1.99999.2'], purposes: ['1.3.6.1.5.5.7.3.1'] },
        };
        const stage = join(work, 'stage');
        const rehearsed = rehearseCeremony({
          ...aRun(folder, aCeremonyOf(step)),
          workDirectory: stage,
        });
        await expect(rehearsed).rejects.toThrow(reason);
        const held = { custody: { ...everybody, shares: sharesOf(made) } };
        await expect(play(folder, [step], held)).rejects.toThrow(reason);
      },
    );

    it('uses CAs of a backup that it cannot open', async () => {
      const file = await issueFactory();
      const { folder } = await play(data, [{ do: 'backup-keys', cas: ['root'] }], {
        custody: custody(),
      });
      const elsewhere = join(work, 'data');
      mkdirSync(elsewhere);
      const bundle = join(folder, '01-backup-keys/outputs/backup.sealed.json');
      const inputHere = (from: string, name: string): ReturnType<typeof input> => {
        writeFileSync(join(elsewhere, name), readFileSync(from));
        return { ...input(relative(data, from)), file: name };
      };
      const ceremony = aCeremonyOf(
        { do: 'restore-keys', bundle: inputHere(bundle, 'b.json') },
        { ...revoke(file), certificate: inputHere(at(file), 'f.pem') } as CeremonyStep,
        { do: 'make-crl', ca: 'root', nextUpdate: '30d' },
      );
      const stage = join(work, 'stage');
      const { entries } = await rehearseCeremony({
        ...aRun(elsewhere, ceremony),
        workDirectory: stage,
      });
      expect(entries.findLast((entry) => entry.kind === 'step')?.facts['entries']).toBe(1);
    });
  });

  it('nothing is signed with one share, for a request that was changed, or of no CA', async () => {
    const step = { do: 'issue-ca', under: 'root', request: input('factory.csr.pem') } as const;
    const one = { ...everybody, shares: shares.slice(1) };
    await expect(play(data, [step], { custody: one })).rejects.toThrow('1 of 2 shares of key root');
    const text = readFileSync(at('factory.csr.pem'), 'utf8');
    writeFileSync(at('bad.csr.pem'), `${text} `);
    const bad = { ...step, request: { ...input('bad.csr.pem'), sha256: step.request.sha256 } };
    await expect(playHere(bad)).rejects.toThrow('is not what was approved');
    await expect(playHere({ ...step, under: 'nobody' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

describe('a ceremony of its own', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-ceremony-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const root = (): string => join(folder, 'ca/root/certificate.pem');

  it('makes a root that is constrained, as openssl reads it', async () => {
    await play(folder, [
      {
        ...makeRoot,
        permit: ['dns:example.com', 'ip:10.0.0.0/8'],
        exclude: ['dns:test.example.com'],
        policies: ['1.3.6.1.4.1.99999.1'],
        purposes: ['1.3.6.1.5.5.7.3.2'],
      },
    ]);
    const text = openssl('x509', '-in', root(), '-noout', '-text').replaceAll(/\s+/g, ' ');
    expect(text).toContain(
      'Name Constraints: critical Permitted: DNS:example.com IP:10.0.0.0/255.0.0.0 ' +
        'Excluded: DNS:test.example.com',
    );
    expect(text).toContain('Policy: 1.3.6.1.4.1.99999.1');
    expect(text).toContain('X509v3 Extended Key Usage: TLS Web Client Authentication');
    openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', root(), root());
  });

  it('makes a root that says where its CRL will be in what it signs, as ca root does', async () => {
    const statusUrl = 'http://pki.example.com/status/';
    const made = await play(folder, [{ ...makeRoot, statusUrl, crlShards: 4 }]);
    const held = { custody: { ...everybody, shares: sharesOf(made) } };
    const sha256 = input('factory.csr.pem').sha256;
    writeFileSync(join(folder, 'factory.csr.pem'), readFileSync(at('factory.csr.pem')));
    const request = { file: 'factory.csr.pem', sha256 };
    const issue: CeremonyStep = { do: 'issue-ca', under: 'root', request };
    const signed = await play(
      folder,
      [issue, { do: 'make-crl', ca: 'root', nextUpdate: '90d' }],
      held,
    );
    const chain = join(signed.folder, '01-issue-ca/outputs/factory.chain.pem');
    const text = openssl('x509', '-in', chain, '-noout', '-text');
    expect(text).toContain('URI:http://pki.example.com/status/crl/root/ca.crl');
    expect(text).toContain('CA Issuers - URI:http://pki.example.com/status/ca/root.cer');
    const crl = join(signed.folder, '02-make-crl/outputs/root.crl.pem');
    expect(openssl('crl', '-in', crl, '-noout', '-text')).toContain('Only CA Certificates');
    expect(verifiedUnder(root(), '-crl_check', '-CRLfile', crl, chain)).toContain(': OK');
    expect((await authorityIn(folder, 'root')).status).toEqual({
      baseUri: 'http://pki.example.com/status',
      crlShards: 4,
    });
  });

  it('renews its root for the same key, and the chains below it', async () => {
    const made = await play(folder, [makeRoot]);
    const held = sharesOf(made);
    const before = new X509Certificate(readFileSync(root()));
    const step: CeremonyStep = { do: 'renew-root', validity: { lifetime: '40y' } };
    const withShares = { custody: { ...everybody, shares: held } };
    const renewed = await play(folder, [step], withShares);
    const after = new X509Certificate(readFileSync(root()));
    expect(after.publicKey.equals(before.publicKey)).toBe(true);
    expect(after.validToDate.getUTCFullYear()).toBe(2066);
    expect(after.serialNumber).not.toBe(before.serialNumber);
    openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', root(), root());
    expect(readFileSync(join(renewed.folder, '01-renew-root/outputs/root.pem'), 'utf8')).toBe(
      readFileSync(root(), 'utf8'),
    );
    const former = join(folder, `ca/root/former/${before.serialNumber.toLowerCase()}.pem`);
    expect(new X509Certificate(readFileSync(former)).fingerprint256).toBe(before.fingerprint256);
    const workDirectory = mkdtempSync(join(tmpdir(), 'certmill-rehearsal-'));
    const rehearse = () => rehearseCeremony({ ...aRun(folder, aCeremonyOf(step)), workDirectory });
    await rehearse();
    // Another root has cross-certified it, and revoked that.
    const { spkiDer, serialNumberHex, subject, notAfterMs } = await authorityIn(folder, 'root');
    await writeRevokedCas(join(folder, 'ca/root/revoked-before.json'), [
      {
        ...{ serialNumberHex, subject, notAfterMs, reason: 'keyCompromise' },
        ...{ revokedAtMs: ceremonyMs, keySha256: keySha256Of(spkiDer) },
      },
    ]);
    await expect(rehearse()).rejects.toThrow('none is signed over it again');
    await expect(play(folder, [step], withShares)).rejects.toThrow('none is signed over it again');
    rmSync(workDirectory, { recursive: true });
  });

  it('gives a root a new key in another folder, where each key vouches for the other', async () => {
    const next = join(folder, 'next');
    const constrained: CeremonyStep = { ...makeRoot, validity: { lifetime: '20y' } };
    const [old, young] = [await play(folder, [constrained]), await play(next, [constrained])];
    const held = { ...everybody, shares: [...sharesOf(old), ...sharesOf(young)] };
    const crossed = async (where: string, certificate: string): Promise<string> => {
      const sha256 = createHash('sha256').update(readFileSync(certificate)).digest('hex');
      const file = { file: relative(where, certificate), sha256 };
      const result = await play(
        where,
        [{ do: 'cross-certify', under: 'root', certificate: file }],
        { custody: held },
      );
      return join(result.folder, '01-cross-certify/outputs/certificate.chain.pem');
    };
    const nextRoot = join(next, 'ca/root/certificate.pem');
    const newWithOld = await crossed(folder, nextRoot);
    const oldWithNew = await crossed(next, root());
    expect(openssl('verify', '-x509_strict', '-CAfile', root(), newWithOld)).toContain(': OK');
    expect(openssl('verify', '-x509_strict', '-CAfile', nextRoot, oldWithNew)).toContain(': OK');
    const firstOf = (file: string) => new X509Certificate(readFileSync(file));
    expect(firstOf(oldWithNew).validFrom).toBe(firstOf(root()).validFrom);
    expect(firstOf(newWithOld).publicKey.equals(firstOf(nextRoot).publicKey)).toBe(true);
  });

  describe('with a new key, and that with a new one once more', () => {
    /** The page's way: what the root before has to tell, carried as a file into a folder with a new root. */
    const toldTo = async (next: string, before: string): Promise<CeremonyStep> => {
      const text = revokedBeforeText(revokedBefore(before, await authorityIn(before, 'root')));
      mkdirSync(next, { recursive: true });
      writeFileSync(join(next, 'before.json'), text);
      return { ...makeRoot, revokedBefore: inputIn(next, 'before.json') };
    };
    const inputIn = (where: string, file: string): { file: string; sha256: string } => ({
      file,
      sha256: createHash('sha256')
        .update(readFileSync(join(where, file)))
        .digest('hex'),
    });
    const asked = (where: string): CeremonyStep => {
      writeFileSync(join(where, 'factory.csr.pem'), readFileSync(at('factory.csr.pem')));
      return { do: 'issue-ca', under: 'root', request: inputIn(where, 'factory.csr.pem') };
    };
    const rehearsedIn = (where: string, ...steps: CeremonyStep[]): Promise<CeremonyResult> => {
      const workDirectory = mkdtempSync(join(folder, 'work-'));
      return rehearseCeremony({ ...aRun(where, aCeremonyOf(...steps)), workDirectory });
    };

    it.each<'keyCompromise' | 'superseded'>(['keyCompromise', 'superseded'])(
      'signs nothing over a key that the first has revoked for %s, and lists it in no CRL',
      async (reason) => {
        let before = folder;
        let held = sharesOf(await play(folder, [makeRoot]));
        const { folder: record } = await play(folder, [asked(folder)], {
          custody: { ...everybody, shares: held },
        });
        writeFileSync(
          join(folder, 'factory.pem'),
          readFileSync(join(record, '01-issue-ca/outputs/factory.chain.pem')),
        );
        const certificate = inputIn(folder, 'factory.pem');
        await play(folder, [{ do: 'revoke-ca', under: 'root', certificate, reason }], {
          custody: { ...everybody, shares: held },
        });
        const publicKey = openssl('req', '-in', at('factory.csr.pem'), '-noout', '-pubkey');
        const spkiDer = createPublicKey(publicKey).export({ format: 'der', type: 'spki' });
        const keySha256 = createHash('sha256').update(spkiDer).digest('hex');
        for (const name of ['second', 'third']) {
          const next = join(folder, name);
          const step = await toldTo(next, before);
          const view = viewInput(step, readFileSync(join(next, 'before.json')));
          expect(view).toMatchObject({
            kind: 'revoked keys',
            keys: [{ keySha256, reason, subject: 'O=Example, CN=Factory' }],
          });
          await rehearsedIn(next, step, { do: 'make-crl', ca: 'root', nextUpdate: '30d' });
          held = sharesOf(await play(next, [step]));
          const custody = { ...everybody, shares: held };
          await expect(rehearsedIn(next, asked(next))).rejects.toThrow('signed over it again');
          await expect(play(next, [asked(next)], { custody })).rejects.toThrow(
            'signed over it again',
          );
          const made = await play(next, [{ do: 'make-crl', ca: 'root', nextUpdate: '30d' }], {
            custody,
          });
          const crl = join(made.folder, '01-make-crl/outputs/root.crl.pem');
          expect(openssl('crl', '-in', crl, '-noout', '-text')).toContain(
            'No Revoked Certificates',
          );
          before = next;
        }
      },
    );

    it.each([
      ['damaged', '{', 'holds no revoked keys'],
      [
        'the record of a CA, which has no key of a certificate',
        JSON.stringify({
          formatVersion: 1,
          revoked: [
            {
              ...{ serialNumberHex: '4a01', subject: 'CN=Factory', reason: 'keyCompromise' },
              ...{ revokedAtMs: 1, notAfterMs: 2 },
            },
          ],
        }),
        'has no key of CN=Factory',
      ],
    ])('is refused what is %s, before anybody approves it too', async (_, text, message) => {
      const next = join(folder, 'next');
      mkdirSync(next);
      writeFileSync(join(next, 'before.json'), text);
      const step: CeremonyStep = { ...makeRoot, revokedBefore: inputIn(next, 'before.json') };
      expect(() => viewInput(step, Buffer.from(text))).toThrow(message);
      await expect(rehearsedIn(next, step)).rejects.toThrow(message);
      await expect(play(next, [step])).rejects.toThrow(message);
      expect(existsSync(join(next, 'ca/root'))).toBe(false);
    });
  });

  it('makes a Matter PAA, and under it only what is a PAI of its vendor', async () => {
    const paa = await play(folder, [
      {
        ...{ ...makeRoot, profile: 'matter-paa' },
        subject: 'CN=Example PAA,matterVendorId=FFF1',
      },
    ]);
    const held = sharesOf(paa);
    const issue = async (vendor: string): Promise<string> => {
      const subject = distinguishedNameDer(
        parseDistinguishedName(`CN=Example PAI,matterVendorId=${vendor}`),
      );
      const { file: request } = await requestAuthority({
        ...{ name: `pai-${vendor.toLowerCase()}`, directory: folder, passphrase: 'a test' },
        ...{ subjectDer: subject, keyType: 'ec-p256', pathLenConstraint: 0 },
      });
      const sha256 = createHash('sha256').update(readFileSync(request)).digest('hex');
      const step: CeremonyStep = {
        ...{ do: 'issue-ca', under: 'root', profile: 'matter-pai' },
        request: { file: relative(folder, request), sha256 },
      };
      const result = await play(folder, [step], { custody: { ...everybody, shares: held } });
      return join(result.folder, '01-issue-ca/outputs/request.chain.pem');
    };
    await expect(issue('FFF2')).rejects.toThrow('CA profile matter-pai: of it, the vendor id');
    const chain = await issue('FFF1');
    expect(openssl('verify', '-x509_strict', '-CAfile', root(), chain)).toContain(': OK');
  });
});
